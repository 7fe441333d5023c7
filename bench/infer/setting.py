"""What the ways of predicting are measured on: photos, their crops, and runs that nobody trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from faces.labels import CLASS_COUNT, CONTEST
from faces.sample.people import person_look, photo_shot
from faces.sample.portrait import portrait
from preprocess.engines.pool import run_shards
from preprocess.settings import PreprocessSettings
from preprocess.shard import Tools
from preprocess.sources.scan import scan, source_path
from train.engine.card import RunCard
from train.engine.checkpoint import save_best
from train.network.model import build_model, normalisation
from train.recipe.recipe import Recipe

Turn = Callable[[], int]
"""Predicts the photos once, waits for the device, and returns their number."""
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be predicted, with what."""

    photos: Path
    """Folder of photos."""
    cache: Path
    """Their crops, as JPEG."""
    files: Path
    """Folder of the same crops, a file each."""
    runs: tuple[Path, ...]
    """best.safetensors of `FOLDS` runs of one recipe."""
    device: Literal["cpu", "cuda"]
    """Where networks and searches of faces run."""
    cores: int
    """CPU cores that all threads of the process share, and threads of torch."""
    loader_threads: int
    """Threads of DALI, on the same cores."""
    batch_size: int
    """Photos a batch, where there are batches."""


DISTINCT = 48
"""Drawn photos that differ; drawing one takes as long as decoding a hundred."""
PHOTOS, FILES = "photos", "files"
"""Folders of the photos and of their crops, a file each."""
_QUALITY = 95


def lay_out(data: Path | None, count: int, folder: Path) -> Cache:
    """Photos, their crops as files, and the cache of them, in one folder.

    Args:
        data: photos in any layout of stage 1; drawn people where it is None.
        count: of photos; they repeat where there are fewer. Those that stage 1 rejects are left out.
        folder: where all of it goes.

    Raises:
        ValueError: photos that stage 1 refuses.
    """
    if data is None:
        data = folder / "drawn"
        draw_photos(data)
    listing = scan(data)
    sources = [listing.folder / source_path(source) for source in listing.photos.source]
    link_photos(sources, count, folder / PHOTOS)
    settings = PreprocessSettings(data=folder / PHOTOS, cache=folder / "cache")
    cache = crop_photos(Tools(settings, folder / PHOTOS), folder / "cache")
    for rejected in cache.rejects["source"]:  # which the loop would end at
        (folder / PHOTOS / source_path(rejected)).unlink()
    write_files(cache, folder / FILES)
    return cache


def draw_photos(folder: Path) -> None:
    """Write `DISTINCT` drawn portraits of 512 x 384 pixels as JPEG files."""
    folder.mkdir()
    for number in range(DISTINCT):
        look = person_look(0, number, female=number % 2 == 1, age=18 + number)
        photo = portrait(look, photo_shot(0, number, 0, number % 3))
        Image.fromarray(photo).save(folder / f"{number:06d}.jpg", quality=_QUALITY)


def link_photos(photos: Sequence[Path], count: int, folder: Path) -> None:
    """A folder of links to photos, again from the first where there are fewer than `count`."""
    folder.mkdir()
    for number in range(count):
        photo = photos[number % len(photos)]
        (folder / f"{number:06d}{photo.suffix}").symlink_to(photo.resolve())


def crop_photos(tools: Tools, cache: Path) -> Cache:
    """Stage 1, in this process and one thread of it.

    Args:
        tools: whose folder of photos is cropped.
        cache: folder of the new cache.

    Raises:
        ValueError: no photo there, or none that can be used.
    """
    listing = scan(tools.folder)
    rows: list[Any] = listing.photos.to_dict("records")
    writer = CacheWriter(
        cache, settings=tools.settings.crop_settings(), source={}, labels=listing.labels, shard_count=1
    )
    run_shards({0: rows}, tools, writer, 1, lambda *_: None)
    return writer.finish()


def write_files(cache: Cache, folder: Path) -> None:
    """Each crop of a JPEG cache as a file of its own, named by its row."""
    folder.mkdir()
    for row in range(len(cache)):
        (data,) = cache.encoded(np.array([row]))
        (folder / f"{row:06d}.jpg").write_bytes(data.tobytes())


def random_run(recipe: Recipe, seed: int, path: Path) -> RunCard:
    """Write best.safetensors of a network as training would begin with it.

    Args:
        recipe: of a precision other than auto.
        seed: of the weights; the fold of the card.
        path: the file; its folder is made.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_model(recipe, CONTEST)
    card = RunCard(
        recipe=recipe,
        normalisation=normalisation(network, recipe),
        classes={task: CONTEST.task(task).classes for task in recipe.tasks},
        fold=seed,
        folds=seed + 1,
        fold_seed=0,
        scheme="person",
        epoch=0,
        score=float("nan"),
        crop={},
        labels=CONTEST,
        prior={CONTEST.headline: (1 / CLASS_COUNT,) * CLASS_COUNT},
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_best(network, card, path)
    return card
