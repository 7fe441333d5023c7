"""What a sweep found: its best trials as a table, all of them as a picture, the best one as a recipe."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial, TrialState
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.command import write_toml
from faces.plots import save_figure
from faces.terminal.output import print_whole
from train.recipe.recipe import Recipe
from train.sweep.fields import Choices, Span
from train.sweep.file import Sweep
from train.sweep.study import FAILED, SCORES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SHOWN = 10
"""Trials in the table."""


def report(study: optuna.Study, sweep: Sweep, recipe: Recipe, folder: Path, path: Path) -> None:
    """Print the best trials and write sweep.png and best.toml.

    Args:
        study: with its trials.
        sweep: what they chose from.
        recipe: what they all started from.
        folder: where to write.
        path: the sweep file.
    """
    console = Console(markup=False)
    trials = study.get_trials(deepcopy=False)
    done = sorted(
        (trial for trial in trials if trial.state == TrialState.COMPLETE),
        key=lambda trial: (-_value(trial), trial.number),
    )
    failed = sum(FAILED in trial.user_attrs for trial in trials)
    pruned = sum(trial.state == TrialState.PRUNED for trial in trials) - failed
    console.print(
        f"{path}: {len(trials)} trials, {len(done)} finished, {pruned} given up, {failed} failed",
        highlight=False,
    )
    console.print(
        f"picture: {draw_sweep(trials, sweep, folder / 'sweep.png')}", highlight=False, soft_wrap=True
    )
    if not done:
        return
    print_whole(_table(done, sweep), console)
    best = dataclasses.replace(
        sweep.recipe(recipe, done[0].params),
        about=f"{recipe.about}; trial {done[0].number}, the best of {len(trials)}, of {path}",
    )
    write_toml(best, folder / "best.toml")
    console.print(f"best recipe: {folder / 'best.toml'}", highlight=False, soft_wrap=True)


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value


def _table(done: Sequence[FrozenTrial], sweep: Sweep) -> Table:
    table = Table(title="best trials", title_justify="left", box=SIMPLE_HEAD)
    for name in ("trial", "macro F1", *(f"fold {fold}" for fold in sweep.plan.folds), *sweep.fields):
        table.add_column(name, justify="right")
    for trial in done[:_SHOWN]:
        scores = [f"{score:.3f}" for score in (_value(trial), *trial.user_attrs[SCORES])]
        chosen = [trial.params[name] for name in sweep.fields]
        texts = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in chosen]
        table.add_row(str(trial.number), *scores, *texts)
    return table


def draw_sweep(trials: Sequence[FrozenTrial], sweep: Sweep, path: Path) -> Path:
    """Draw scores by trial, and by the value of each field.

    Args:
        trials: of any state.
        sweep: what they chose from.
        path: the picture.
    """
    count = len(sweep.fields) + 1
    columns = min(3, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(4.2 * columns, 3.1 * rows + 0.4), layout="constrained")
    figure.suptitle(
        "mean macro F1 of the folds trained; hollow: given up after some of them; ×: failed", fontsize=10
    )
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    _scatter(panels[0], [trial.number for trial in trials], trials)
    finished = [(t.number, _value(t)) for t in trials if t.state == TrialState.COMPLETE]
    if finished:
        numbers, values = zip(*finished, strict=True)
        panels[0].step(numbers, np.maximum.accumulate(values), where="post", color="tab:orange", label="best")
        panels[0].legend(fontsize=8, loc="lower right")
    panels[0].set(xlabel="trial", ylabel="macro F1")
    for axes, (name, field) in zip(panels[1:], sweep.fields.items(), strict=False):
        _draw_field(axes, name, field, [trial for trial in trials if name in trial.params])
    for axes in panels[count:]:
        axes.set_visible(False)
    save_figure(figure, path, dpi=110)
    return path


def _draw_field(axes: Axes, name: str, field: Span | Choices, trials: Sequence[FrozenTrial]) -> None:
    if isinstance(field, Choices):
        # Spread about the strip's middle, so that equal scores do not hide each other.
        aside = np.random.default_rng(0).uniform(-0.12, 0.12, len(trials))
        places = [field.texts.index(trial.params[name]) for trial in trials]
        _scatter(axes, (np.array(places) + aside).tolist(), trials)
        axes.set_xticks(range(len(field.texts)), field.texts)
        axes.set_xlim(-0.5, len(field.texts) - 0.5)
    else:
        _scatter(axes, [trial.params[name] for trial in trials], trials)
        if field.log:
            axes.set_xscale("log")
    axes.set_xlabel(name)


def _scatter(axes: Axes, places: Sequence[float], trials: Sequence[FrozenTrial]) -> None:
    """Trials by their last known score; failed ones at the lower edge."""
    axes.grid(alpha=0.3)
    for place, trial in zip(places, trials, strict=True):
        if FAILED in trial.user_attrs:
            axes.plot(place, 0.02, "x", color="tab:red", transform=axes.get_xaxis_transform(), clip_on=False)
        elif trial.intermediate_values:
            score = trial.intermediate_values[max(trial.intermediate_values)]
            face = "tab:blue" if trial.state == TrialState.COMPLETE else "white"
            axes.plot(place, score, "o", color="tab:blue", markerfacecolor=face, markersize=5, alpha=0.8)
