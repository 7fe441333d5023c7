"""The folds of a recipe one after the other, and what they achieved together."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from faces.command import flat_table, to_table, typed
from train.assemble import FoldPlan
from train.engine.card import NESTED
from train.engine.watch import BarWatch, Watch
from train.fold import train_ready
from train.ready import ReadyFold, ready_folds
from train.recipe.ending import epochs_kept
from train.results.folds_picture import draw_folds
from train.results.metrics import best_less_last, read_metrics
from train.results.report import (
    draw_curves,
    draw_out_of_fold,
    folds_in,
    group_of,
    read_out_of_fold,
    score_out_of_fold,
)
from train.results.trackers import check_installed

_PLAIN_COLUMNS = ("epoch", "images_per_s")
"""Columns of the table of epochs that are no scores."""


def train_folds(plans: Sequence[FoldPlan]) -> None:
    """Train folds of a recipe, draw each one's curves, and report. Of several processes the first reports.

    All folds are looked at before the first is trained.

    Args:
        plans: at least one, differing in nothing but the folds left out, one or two of them, and folder.

    Raises:
        ValueError: as `train_fold`, or the package of a tracker is missing.
    """
    check_installed(plans[0].trackers)
    _check_together(plans)
    first = plans[0].processes.first
    scores: dict[str, dict[str, float]] = {}
    ready = ready_folds(plans)
    with BarWatch() if first else nullcontext(Watch()) as watch:
        watch.say(f"curves while it trains: {_tensorboard(plans[0].folder.parent)}")
        for fold in ready:
            scores[fold.plan.left_out] = train_ready(fold, watch)
            if first:
                draw_curves(fold.plan.folder)
    if first:
        _report(ready, scores)


def _check_together(plans: Sequence[FoldPlan]) -> None:
    """See that all processes, of whatever machines, were given the same, and a folder that all see."""
    plan = plans[0]
    given: dict[str, object] = {
        "cache": plan.cache.identity,
        "recipe": plan.folder.parent.name,
        "fold": [each.left_out for each in plans],
        "folds": plan.folds,
        "fold_seed": plan.fold_seed,
        "fold_scheme": plan.scheme,
    }
    plan.processes.check_same(
        given | flat_table(to_table(plan.recipe)), "give all machines the same command, cache and recipe"
    )
    plan.processes.check_shared(plan.folder.parent)


def _tensorboard(folder: Path) -> str:
    """The command that shows the events of all folds of a recipe."""
    program, here = Path(sys.executable).with_name("tensorboard"), Path.cwd()
    program = program.relative_to(here) if program.is_relative_to(here) else program
    return f"{typed(program)} --logdir {typed(folder)}"


def _report(ready: Sequence[ReadyFold], scores: Mapping[str, Mapping[str, float]]) -> None:
    """Print the epochs kept of the folds trained, and the out-of-fold scores over all folds in the folder; of
    folds left out in twos, whose photos have several answers, no more."""
    console = Console(markup=False)
    plan = ready[0].plan
    folder, labels = plan.folder.parent, plan.cache.label_set
    console.print(_kept_epochs(plan, scores))
    if not any("macro_f1" in row for row in scores.values()):
        console.print("nobody validated: the last epoch's weights are kept", highlight=False)
        return
    if folder.name == NESTED:
        return
    _say_gap(best_less_last([read_metrics(fold.plan.folder) for fold in ready]), console)
    pooled = read_out_of_fold(folder)
    values = {n: v for n, v in score_out_of_fold(pooled, labels).items() if group_of(n) == "score"}
    line = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
    for told in (
        f"out of fold, {folds_in(pooled)}, {len(pooled):,} photos: {line}",
        f"pictures: {draw_out_of_fold(pooled, folder, labels)}, {draw_folds(pooled, folder, labels)}",
    ):
        console.print(told, markup=False, highlight=False, soft_wrap=True)


def _say_gap(gap: float, console: Console) -> None:
    """Print what choosing each fold's epoch by its own scores adds to them, where it adds anything."""
    if gap > 0:
        told = f"the best epochs' macro F1 is {gap:.3f} above the last ones', in the mean over these folds"
        console.print(
            f"{told}: choosing an epoch by the scores that it then gets adds so much to them",
            highlight=False,
            soft_wrap=True,
        )


def _kept_epochs(plan: FoldPlan, scores: Mapping[str, Mapping[str, float]]) -> Table:
    """A row a fold: the main scores and speed of the epoch kept."""
    title = f"{plan.folder.parent}: {epochs_kept(plan.recipe)}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD)
    there = dict.fromkeys(name for row in scores.values() for name in row)
    names = [n for n in there if n in _PLAIN_COLUMNS or group_of(n) == "score"]
    table.add_column("fold")
    for name in names:
        table.add_column(Text(name.replace("_per_", "/")), justify="right")
    for fold, row in scores.items():
        # Where no photo of a fold is labelled for the headline, it is judged by other scores than the others.
        shown = {**dict.fromkeys(names, float("nan")), **row, "epoch": row["epoch"] + 1}
        texts = [f"{shown[n]:,.0f}" if n in _PLAIN_COLUMNS else f"{shown[n]:.3f}" for n in names]
        table.add_row(fold, *texts)
    return table
