"""The command that trains folds of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from faces.cache import Cache
from faces.settings import read_toml, run_command
from train.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Train folds of a recipe on a cache of face crops.

    Photos of one person never stand on both sides of a fold; each age band is spread evenly over the folds.
    Run the same command again after an interruption: training goes on after its last whole epoch.
    Each fold becomes runs/<recipe>/fold<k>/ with best.safetensors, metrics.csv, curves.png, oof.parquet and
    TensorBoard events.
    """

    recipe: Path
    """Recipe file (TOML)."""
    cache: Path
    """Finished cache with labels."""
    fold: tuple[int, ...] = ()
    """Folds to train, numbered from 0; all of them when left out."""
    folds: int = 5
    """Number of folds the people are divided into."""
    fold_seed: int = 0
    """Which of the many such divisions; keep it the same for all recipes that will vote together."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    weights: Path | None = None
    """Local file of backbone weights, instead of the recipe's `weights` or `pretrained`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU where there is one."""
    threads: int = 0
    """Loader threads; 0 is 1 on a CPU, which the network needs more, and up to 8 beside a GPU."""


def run(settings: Settings) -> None:
    """Train the folds asked for, then report on all folds that are there."""
    recipe = read_toml(Recipe, settings.recipe)
    if settings.weights is not None:
        recipe = replace(recipe, weights=str(settings.weights), pretrained=False)
    cache = Cache.open(settings.cache)
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from train.folds import train_folds

    train_folds(settings, recipe, cache)


def main() -> None:
    """`python -m train`."""
    run_command(Settings, run)
