"""The command that trains folds of a recipe."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.settings import read_toml, run_command
from train.fold import FoldPlan, train_fold
from train.recipe import Recipe
from train.report import draw_curves, draw_out_of_fold, read_out_of_fold, score_out_of_fold
from train.watch import BarWatch


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
    device = choose_device(settings.device)
    cores = os.cpu_count() or 1
    threads = settings.threads or (1 if device == "cpu" else min(8, cores))
    folder = settings.runs / settings.recipe.stem
    scores: dict[int, dict[str, float]] = {}
    with BarWatch() as watch:
        for fold in settings.fold or range(settings.folds):
            plan = FoldPlan(
                recipe=recipe,
                cache=cache,
                fold=fold,
                folds=settings.folds,
                fold_seed=settings.fold_seed,
                folder=folder / f"fold{fold}",
                device=device,
                threads=threads,
            )
            scores[fold] = train_fold(plan, watch)
            draw_curves(plan.folder)
    report(folder, scores)


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """`cpu` or `cuda`.

    Raises:
        ValueError: a GPU was demanded and torch sees none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: torch sees no usable GPU here; use device=auto or cpu")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def report(folder: Path, scores: dict[int, dict[str, float]]) -> None:
    """Print the best epoch of the folds trained, and the out-of-fold scores over all folds in the folder."""
    console = Console()
    table = Table(title=f"{folder}: best epochs by validation macro F1", title_justify="left")
    hidden = ("lr", "seconds")
    names = [name for name in next(iter(scores.values())) if name not in hidden]
    table.add_column("fold")
    for name in names:
        table.add_column(name, justify="right")
    for fold, row in scores.items():
        shown = {**row, "epoch": row["epoch"] + 1}
        texts = [f"{shown[n]:,.0f}" if n in ("epoch", "images_per_s") else f"{shown[n]:.3f}" for n in names]
        table.add_row(str(fold), *texts)
    console.print(table)
    pooled = read_out_of_fold(folder)
    values = score_out_of_fold(pooled)
    line = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    console.print(
        f"out of fold, {pooled.fold.nunique()} folds, {len(pooled):,} photos: {line}", highlight=False
    )
    if "accuracy" in values:
        console.print(f"picture: {draw_out_of_fold(pooled, folder)}", highlight=False)


def main() -> None:
    """`python -m train`."""
    run_command(Settings, run)
