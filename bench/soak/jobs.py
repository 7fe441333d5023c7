"""Work over and over, each job in a process of its own."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Final

from faces.cache.reader import Cache
from preprocess.settings import PreprocessSettings

RECIPE: Final = Path(__file__).parents[2] / "recipes" / "small.toml"
EPOCHS: Final = 2
WORKERS: Final = 2
SHARD_SIZE: Final = 8
"""Photos a shard: several for each worker, also of few photos."""


def settings_of(folder: Path, cache: Path) -> PreprocessSettings:
    """How the photos of a soak are preprocessed: on two workers, with shards for both."""
    return PreprocessSettings(
        data=folder / "photos" / "train", cache=cache, workers=WORKERS, shard_size=SHARD_SIZE
    )


def preprocess_again(folder: Path, turns: Synchronized[int], ended: Event) -> None:
    """Preprocess the photos into a new cache, and again, until the event is set."""
    from preprocess.run import preprocess

    _quiet(folder / "preprocessing.log")
    # Apart from the other cache, or the faces found for that one would be taken over.
    cache = folder / "apart" / "again"
    while not ended.is_set():
        preprocess(settings_of(folder, cache))
        shutil.rmtree(cache)
        turns.value += 1


def train_again(folder: Path, turns: Synchronized[int], ended: Event) -> None:
    """Train a fold to its end with a save after every batch, and another from the beginning, and so on."""
    from train.assemble import FoldPlan
    from train.data.tasks import fit_to_cache
    from train.engine.watch import Watch
    from train.fold import train_fold
    from train.recipe.file import read_recipe

    _quiet(folder / "training.log")
    cache = Cache.open(folder / "cache")
    recipe = fit_to_cache(replace(read_recipe(RECIPE), epochs=EPOCHS), cache, RECIPE)
    while not ended.is_set():
        fold = turns.value % 5
        plan = FoldPlan(
            recipe=recipe,
            cache=cache,
            fold=fold,
            folds=5,
            fold_seed=0,
            scheme="image",  # of few people no five folds can be made
            folder=folder / "runs" / f"fold{fold}",
            device="cpu",
            threads=1,
            checkpoint_minutes=0,
        )
        train_fold(plan, Watch())
        shutil.rmtree(plan.folder)
        turns.value += 1


JOBS: Final = {"training": train_again, "preprocessing": preprocess_again}


def _quiet(log: Path) -> None:
    """Write what this process and those below it print to a file."""
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
