"""The folds of a recipe one after the other, and what they achieved together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from train.fold import FoldPlan, train_fold
from train.precision import choose_device, loader_threads
from train.recipe import Recipe
from train.report import draw_curves, draw_out_of_fold, folds_in, read_out_of_fold, score_out_of_fold
from train.watch import BarWatch

if TYPE_CHECKING:
    from train.run import Settings


def train_folds(settings: Settings, recipe: Recipe, cache: Cache) -> None:
    """Train the folds asked for, draw each one's curves, and report."""
    device = choose_device(settings.device)
    threads = settings.threads or loader_threads(device)
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
                checkpoint_minutes=settings.checkpoint_minutes,
                on_damage=settings.on_damage,
            )
            scores[fold] = train_fold(plan, watch)
            draw_curves(plan.folder)
    report(folder, scores)


def report(folder: Path, scores: dict[int, dict[str, float]]) -> None:
    """Print the best epoch of the folds trained, and the out-of-fold scores over all folds in the folder."""
    console = Console()
    table = Table(
        title=f"{folder}: best epochs by validation macro F1", title_justify="left", box=SIMPLE_HEAD
    )
    hidden = ("lr", "loss", "seconds")
    names = [name for name in next(iter(scores.values())) if name not in hidden]
    table.add_column("fold")
    for name in names:
        table.add_column(name.replace("_per_", "/"), justify="right")
    for fold, row in scores.items():
        shown = {**row, "epoch": row["epoch"] + 1}
        texts = [f"{shown[n]:,.0f}" if n in ("epoch", "images_per_s") else f"{shown[n]:.3f}" for n in names]
        table.add_row(str(fold), *texts)
    console.print(table)
    pooled = read_out_of_fold(folder)
    values = score_out_of_fold(pooled)
    line = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    console.print(
        f"out of fold, {folds_in(pooled)}, {len(pooled):,} photos: {line}", highlight=False, soft_wrap=True
    )
    if "accuracy" in values:
        console.print(f"picture: {draw_out_of_fold(pooled, folder)}", highlight=False, soft_wrap=True)
