"""`python -m train.leak`: by how much scores lie where photos of one person train and validate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.command import run_command
from train.data.tasks import fit_to_cache
from train.engine.compute import Compute
from train.recipe.file import read_recipe


@dataclass(frozen=True, kw_only=True)
class LeakSettings:
    """Train a recipe on folds of photos and on folds of people, and score both on people in neither.

    Folds of photos (`--fold-scheme image`) put people on both sides, and what a network remembers of a face
    passes for knowledge. Before any fold is made, some people are kept apart: each model's validation score
    is what it promises, its score on them what it keeps.
    Writes runs/leak-demo/{image,person}/fold<k>/, and above them leak.png and leak.csv; the same command
    goes on after an interruption.

    Example: make leak-demo CACHE=caches/mine RECIPE=recipes/small.toml
    """

    recipe: Path = Path("recipes/small.toml")
    """Recipe file (TOML). Its `auto` precision is taken as fp32, for both."""
    cache: Path = Path("demo/caches/train")
    """Finished cache with labels and several photos a person; `make leak-demo` draws the default one."""
    epochs: int = 7
    """Epochs to train instead of the recipe's; 0 keeps the recipe's. Seven of the default recipe take about
    two minutes for both schemes on two CPU cores; its 14 twice as long, and the lie grows."""
    fold: tuple[int, ...] = (0,)
    """Folds to train of each scheme, numbered from 0; scores are means over them."""
    folds: int = 5
    """Number of folds that the people, and the photos, not kept apart are divided into."""
    fold_seed: int = 0
    """Which of the many such divisions."""
    apart: int = 5
    """One in so many people is kept apart, at least 2."""
    runs: Path = Path("runs/leak-demo")
    """Folder of the runs."""
    compute: tyro.conf.OmitArgPrefixes[Compute] = Compute()

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.apart < 2:
            raise ValueError(f"epochs={self.epochs}, apart={self.apart}: need epochs >= 0 and apart >= 2")
        if not self.fold:
            raise ValueError("fold: name at least one")


def run(settings: LeakSettings) -> None:
    """Read recipe and cache, train, and report.

    Raises:
        ValueError: the recipe does not fit the cache's labels, or its people do not allow the folds.
    """
    recipe = read_recipe(settings.recipe)
    if recipe.precision == "auto":
        recipe = replace(recipe, precision="fp32")
    if settings.epochs:
        recipe = replace(recipe, epochs=settings.epochs)
    try:
        cache = Cache.open(settings.cache)
    except CacheError as error:
        raise ValueError(
            f"{error}; or let `make leak-demo` draw people, as it does without CACHE="
        ) from error
    recipe = fit_to_cache(recipe, cache, settings.recipe)
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from train.leak.work import Demonstration, demonstrate
    from train.network.kinds import check_codings

    check_codings(recipe, cache.label_set, settings.recipe)
    demonstrate(
        Demonstration(
            name=settings.recipe.stem,
            recipe=recipe,
            cache=cache,
            trained=settings.fold,
            folds=settings.folds,
            fold_seed=settings.fold_seed,
            apart=settings.apart,
            folder=settings.runs,
            device=settings.compute.chosen_device(),
            threads=settings.compute.loader_threads(),
        )
    )


def main() -> None:
    """The command line."""
    run_command(LeakSettings, run)
