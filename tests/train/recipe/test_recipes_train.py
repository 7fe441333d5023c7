"""Every recipe trains: one short epoch of each on drawn people (`make test-slow`)."""

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from faces.command import read_toml
from faces.labels import CLASS_NAMES, GENDERS, MASKS, TASKS, UNKNOWN
from faces.sample.portrait import PersonJob, draw_person
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from train.assemble import FoldPlan
from train.data.tasks import fit_to_cache
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.model import build_model
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe
from train.results.oof import columns_of

FILES = sorted((Path(__file__).parents[3] / "recipes").glob("*.toml"))
AGES = (19, 25, 40, 50, 57, 62)
"""One of each of age6's bands."""
PHOTOS = (0, 1, 2)
"""Mask codes of a person's photos."""
LEAST_SIZES = {"swin_large_patch4_window12_384": 96}
"""Input sizes, in pixels, of backbones that cannot do with 64."""


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """72 crops of 24 drawn people, two of each gender and age band, once in each way of wearing a mask, and
    three crops of another without labels."""
    folder = tmp_path_factory.mktemp("drawn")
    rows = []
    people = [(gender, age) for _ in range(2) for gender in range(len(GENDERS)) for age in AGES]
    people.append((0, AGES[0]))
    for person, (gender, age) in enumerate(people):
        files = [folder / f"{person}-{mask}.jpg" for mask in PHOTOS]
        draw_person(
            PersonJob(
                seed=0,
                person=person,
                female=GENDERS[gender] == "female",
                age=age,
                photos=tuple((mask, mask, file) for mask, file in zip(PHOTOS, files, strict=True)),
            )
        )
        rows += [
            (file.name, f"p{person}", MASKS[mask], GENDERS[gender], age)
            for mask, file in zip(PHOTOS, files, strict=True)
        ]
    rows[-len(PHOTOS) :] = [(file, "", "", "", "") for file, *_ in rows[-len(PHOTOS) :]]
    table = folder / "photos.csv"
    pd.DataFrame(rows, columns=["path", "person", "mask", "gender", "age"]).to_csv(table, index=False)
    cache = preprocess(PreprocessSettings(data=table, cache=folder / "cache", size=96, workers=1))
    assert all(
        {*np.unique(cache.labels(name))} - {UNKNOWN} == {*range(len(task.classes))}
        for name, task in TASKS.items()
    )
    return cache


def taught(recipe: Recipe, cache: Cache, folder: Path) -> Recipe:
    """The recipe with predictions of all photos of the cache where it wants some, sure of every one."""
    if not recipe.teacher.predictions:
        return recipe
    answers = np.arange(len(cache)) % len(CLASS_NAMES)
    values = np.where(answers[:, None] == np.arange(len(CLASS_NAMES)), 0.966, 0.002)
    table = pd.DataFrame(values, columns=[*CLASS_NAMES])
    table.assign(ImageID=cache.index["image_id"], ans=answers).to_parquet(folder / "predictions.parquet")
    teacher = dataclasses.replace(recipe.teacher, predictions=(str(folder / "predictions.parquet"),))
    return dataclasses.replace(recipe, teacher=teacher)


def shortened(recipe: Recipe) -> Recipe:
    """The recipe for one epoch over a few small photos, from scratch, with its averaging already on."""
    return dataclasses.replace(
        recipe,
        epochs=1,
        pretrained=False,
        weights="",
        precision="fp32",
        batch_size=12,
        image_size=LEAST_SIZES.get(recipe.backbone, 64),
        averaging=dataclasses.replace(recipe.averaging, start_epoch=0),
    )


@pytest.fixture
def finished(tmp_path: Path) -> Iterator[Path]:
    """A run's folder, emptied at once since all recipes' weights together are gigabytes.

    One thread meanwhile: on steps this small, threads that wait for each other on busy cores take longer.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)
    for file in tmp_path.rglob("*"):
        if file.is_file():
            file.unlink()


def short(file: Path, drawn: Cache, finished: Path) -> Recipe:
    return fit_to_cache(taught(shortened(read_recipe(file)), drawn, finished), drawn, file)


def planned(recipe: Recipe, drawn: Cache, folder: Path) -> FoldPlan:
    return FoldPlan(
        recipe=recipe,
        cache=drawn,
        fold=0,
        folds=2,
        fold_seed=0,
        scheme="age_group" if "FOLD_SCHEME=age_group" in recipe.about else "person",
        folder=folder,
        device="cpu",
        threads=1,
    )


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_recipe_trains(file: Path, drawn: Cache, finished: Path) -> None:
    recipe, folder = short(file, drawn, finished), finished / file.stem / "fold0"
    if recipe.begin_with:
        first = file.with_name(f"{recipe.begin_with}.toml")
        begun = short(first, drawn, finished)
        train_fold(planned(begun, drawn, finished / first.stem / "fold0"), Watch())
    plan = planned(recipe, drawn, folder)
    row = train_fold(plan, Watch())
    assert math.isfinite(row["loss"])
    assert 0 <= row["macro_f1"] <= 1
    kept = read_toml(Recipe, folder / "recipe.toml")
    ages = dataclasses.replace(recipe.age, clipped_at=kept.age.clipped_at)  # auto becomes a number
    assert kept == dataclasses.replace(recipe, age=ages)
    predictions = pd.read_parquet(folder / "oof.parquet")
    for task in recipe.tasks:
        columns = columns_of(drawn.label_set.task(task))
        np.testing.assert_allclose(predictions[columns].sum(axis=1), 1, atol=1e-4)
    state = build_model(recipe, drawn.label_set, initialise=False).state_dict()
    assert (folder / "best.safetensors").stat().st_size > sum(t.nbytes for t in state.values())
