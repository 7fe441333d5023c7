"""The folds of a recipe one after the other, and what they achieved together."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.folds import fold_numbers
from train.assemble import FoldPlan
from train.engine.precision import choose_device, loader_threads
from train.engine.processes import join_processes
from train.engine.watch import BarWatch, Watch
from train.fold import train_fold
from train.recipe.recipe import Recipe
from train.results.report import (
    draw_curves,
    draw_out_of_fold,
    folds_in,
    group_of,
    read_out_of_fold,
    score_out_of_fold,
)
from train.results.trackers import check_installed

if TYPE_CHECKING:
    from train.command import Settings


def train_folds(settings: Settings, recipe: Recipe, cache: Cache) -> None:
    """Train the folds asked for, draw each one's curves, and report."""
    check_installed(settings.log)
    device = choose_device(settings.device)
    processes = join_processes(device)
    threads = settings.threads or loader_threads(device)
    folder = settings.runs / settings.recipe.stem
    scores: dict[int, dict[str, float]] = {}
    with BarWatch() if processes.first else nullcontext(Watch()) as watch:
        for fold in settings.fold or fold_numbers(settings.fold_scheme, settings.folds):
            plan = FoldPlan(
                recipe=recipe,
                cache=cache,
                fold=fold,
                folds=settings.folds,
                fold_seed=settings.fold_seed,
                scheme=settings.fold_scheme,
                folder=folder / f"fold{fold}",
                device=device,
                threads=threads,
                processes=processes,
                resume=settings.resume,
                trackers=settings.log,
                checkpoint_minutes=settings.checkpoint_minutes,
                on_damage=settings.on_damage,
            )
            scores[fold] = train_fold(plan, watch)
            if processes.first:
                draw_curves(plan.folder)
    if processes.first:
        report(folder, scores)


def report(folder: Path, scores: dict[int, dict[str, float]]) -> None:
    """Print the best epoch of the folds trained, and the out-of-fold scores over all folds in the folder."""
    console = Console()
    table = Table(
        title=f"{folder}: best epochs by validation macro F1", title_justify="left", box=SIMPLE_HEAD
    )
    kept = ("epoch", "images_per_s")
    names = [n for n in next(iter(scores.values())) if n in kept or (n != "epoch" and group_of(n) == "score")]
    table.add_column("fold")
    for name in names:
        table.add_column(name.replace("_per_", "/"), justify="right")
    for fold, row in scores.items():
        shown = {**row, "epoch": row["epoch"] + 1}
        texts = [f"{shown[n]:,.0f}" if n in ("epoch", "images_per_s") else f"{shown[n]:.3f}" for n in names]
        table.add_row(str(fold), *texts)
    console.print(table)
    if "macro_f1" not in names:
        console.print("nobody validated: the last epoch's weights are kept", highlight=False)
        return
    pooled = read_out_of_fold(folder)
    values = {n: v for n, v in score_out_of_fold(pooled).items() if group_of(n) == "score"}
    line = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    console.print(
        f"out of fold, {folds_in(pooled)}, {len(pooled):,} photos: {line}", highlight=False, soft_wrap=True
    )
    console.print(f"picture: {draw_out_of_fold(pooled, folder)}", highlight=False, soft_wrap=True)
