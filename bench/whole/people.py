"""Photos of people who train, and of others whose labels neither way is shown."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from faces.cores import usable_cores
from faces.labels import TASKS
from faces.sample.dataset import write_sample
from faces.storage.cells import csv_bytes
from preprocess.engines.pool import run_shards
from preprocess.settings import PreprocessSettings
from preprocess.shard import Tools
from preprocess.sources.scan import scan, source_path
from train.data.rows import fold_rows
from train.recipe.recipe import Recipe

SEED: Final = 0
"""Of the drawn people, and of who of others is taken."""
TABLE: Final = "photos.csv"
"""The table that teams write before they train: path, mask, gender, age, and the fold that validates it."""


@dataclass(frozen=True, kw_only=True)
class People:
    """What both ways get, and what their answers are held against."""

    train: Path
    """Photos with labels, in the contest's layout."""
    unseen: Path
    """Photos to answer: info.csv and images."""
    truth: pd.DataFrame
    """ImageID and ans, the class of the 18, of each photo to answer."""


def lay_out(data: Path | None, people: int, folder: Path) -> People:
    """Drawn people, or some of a folder's; 60 % train, and the others are to be answered.

    Args:
        data: a folder with labels in the contest's layout; None draws people.
        people: how many in all.
        folder: where photos, or links to them, go.

    Raises:
        ValueError: no such folder, or fewer people in it.
    """
    if data is None:
        write_sample(folder, people=people, seed=SEED, workers=usable_cores())
    else:
        _link_people(data, people, folder)
    truth = pd.read_csv(folder / "eval" / ".answers.csv")
    return People(train=folder / "train", unseen=folder / "eval", truth=truth[["ImageID", "ans"]])


def _link_people(data: Path, people: int, folder: Path) -> None:
    """Some people of a folder in the form of `faces.sample`: their photos are links."""
    if not (data / "train.csv").is_file():
        raise ValueError(
            f"{data}: has no train.csv; name a folder with labels in the contest's layout, such as the "
            "`train` of `make sample`"
        )
    photos = scan(data).photos
    photos = photos[photos.problem == ""].assign(ans=lambda known: TASKS["class18"].encode(known))
    trains, tests = choose(photos.drop_duplicates("person"), people, data)
    for person in trains:
        source = photos.source[photos.person == person].iloc[0]
        link = folder / "train" / "images" / person
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to((data / source_path(source)).parent.resolve())
    table = pd.read_csv(data / "train.csv", dtype=str)
    (folder / "train" / "train.csv").write_bytes(csv_bytes(table[table.path.isin(trains)]))
    asked = photos[photos.person.isin(tests)]
    names = [_name(source) for source in asked.source]
    (folder / "eval" / "images").mkdir(parents=True)
    for name, source in zip(names, asked.source, strict=True):
        (folder / "eval" / "images" / name).symlink_to((data / source_path(source)).resolve())
    answers = asked[["ans"]].assign(ImageID=names).sort_values("ImageID")[["ImageID", "ans"]]
    (folder / "eval" / ".answers.csv").write_bytes(csv_bytes(answers))
    (folder / "eval" / "info.csv").write_bytes(csv_bytes(answers.assign(ans=0)))


def _name(source: str) -> str:
    """What a photo is called that is to tell nothing of its person."""
    return hashlib.sha1(source.encode()).hexdigest() + Path(source).suffix


def choose(photos: pd.DataFrame, people: int, data: Path) -> tuple[list[str], list[str]]:
    """Who trains, and whose photos are to be answered: both spread evenly over genders and age bands.

    Args:
        photos: one of each person, with columns person and ans.
        people: how many in all; two of five are to be answered.
        data: named in errors.

    Raises:
        ValueError: there are fewer people.
    """
    if len(photos) < people:
        raise ValueError(f"people={people}: {data} has {len(photos)}; ask for at most so many")
    shuffled = np.random.default_rng(SEED).permutation(len(photos))
    order = np.lexsort((shuffled, photos.ans.to_numpy() % 6))
    chosen = photos.person.to_numpy()[order[np.arange(people) * len(photos) // people]]
    tests = np.diff(np.arange(people + 1) * 2 // 5) > 0
    return [*chosen[~tests]], [*chosen[tests]]


def write_table(train: Path, recipe: Recipe, folds: int, folder: Path) -> Path:
    """`TABLE` of the photos that train, with the folds that `make train` would make of them.

    Args:
        train: `People.train`.
        recipe: that both ways train.
        folds: their number.
        folder: where the table goes, and a cache of unsearched photos, which tells the folds.

    Raises:
        ValueError: the people do not allow so many folds.
    """
    listing = scan(train)
    rows: list[Any] = listing.photos.to_dict("records")
    settings = PreprocessSettings(data=train, cache=folder / "unsearched", faces="as_is", size=16)
    writer = CacheWriter(
        settings.cache,
        settings=settings.crop_settings(),
        source={"photos": len(rows)},
        labels=listing.labels,
        shard_count=1,
    )
    run_shards({0: rows}, Tools(settings, train), writer, 1, lambda *_: None)
    writer.finish()
    cache = Cache.open(settings.cache)
    table = cache.columns("source", "mask", "gender", "age")
    fold = np.full(len(cache), -1)
    for number in range(folds):
        fold[fold_rows(cache, recipe.tasks, fold=number, folds=folds, seed=0).validation] = number
    paths = [str(train / source_path(source)) for source in table.source]
    path = folder / TABLE
    path.write_bytes(csv_bytes(table.drop(columns="source").assign(path=paths, fold=fold)))
    return path
