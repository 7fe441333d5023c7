"""`python -m report.audit.planted`: how many planted errors an audit finds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from faces.cache.reader import Cache
from faces.command import run_command
from train.data.tasks import fit_to_cache
from train.engine.compute import Compute
from train.recipe.file import read_recipe


@dataclass(frozen=True, kw_only=True)
class PlantedSettings:
    """Swap a share of a cache's labels, train folds on them, audit, and count how many of the labels that the
    audit holds for most suspect are those that were swapped.

    The cache stays as it is: labels are swapped in copies below the folder written, whose crops are links.

    Example: make audit-planted CACHE=caches/mine RECIPE=recipes/quick.toml
    """

    cache: Path = Path("demo/caches/train")
    """A cache whose labels are right, but for few."""
    recipe: Path = Path("recipes/quick.toml")
    """Recipe that is trained."""
    weights: Path | None = None
    """Name or file of weights, instead of the recipe's."""
    share: float = 0.01
    """Of the labels of each factor that are swapped, of photos or people; at least one."""
    seeds: tuple[int, ...] = (0,)
    """One planting and training each, whose counts are added: one in a hundred of few people is few."""
    folds: int = 5
    """Number of folds."""
    out: Path = Path("audits/planted")
    """Folder to write."""
    compute: tyro.conf.OmitArgPrefixes[Compute] = Compute()

    def __post_init__(self) -> None:
        if not 0 < self.share <= 0.5:
            raise ValueError(f"share={self.share}: must be above 0 and at most 0.5")
        if self.folds < 2:
            raise ValueError(f"folds={self.folds}: must be at least 2")
        if not self.seeds or min(self.seeds) < 0:
            raise ValueError(f"seeds={list(self.seeds)}: give at least one, of 0 or more")


def run(settings: PlantedSettings) -> None:
    """Plant, train, audit and count."""
    recipe = read_recipe(settings.recipe)
    if settings.weights is not None:
        recipe = replace(recipe, weights=str(settings.weights), pretrained=False)
    cache = Cache.open(settings.cache)
    recipe = fit_to_cache(recipe, cache, settings.recipe)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from rich.console import Console

    from report.audit.planted.work import PlantedPlan, measure

    plan = PlantedPlan(
        recipe=recipe,
        name=settings.recipe.stem,
        cache=cache,
        share=settings.share,
        seeds=settings.seeds,
        folds=settings.folds,
        out=settings.out,
        device=settings.compute.chosen_device(),
        threads=settings.compute.loader_threads(),
    )
    measure(plan, Console(markup=False))


def main() -> None:
    """The command line."""
    run_command(PlantedSettings, run)
