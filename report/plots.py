"""Curves of training and calibration, drawn for a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import MaxNLocator

from faces.pages.figures import BLUE, RED, inline_svg
from infer.evaluate.picture import draw_reliability
from infer.predict.runs import Run
from report.answers import Answers
from train.recipe.ending import VALIDATION_LOSS
from train.results.metrics import METRICS_FILE, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = (("loss", "loss", VALIDATION_LOSS), ("macro F1 of people left out", "macro_f1", ""))
"""Title, column of metrics.csv, and the column drawn beside it."""


@dataclass(frozen=True)
class Curves:
    """How the folds of a recipe were trained, as plots, and what is lost of it."""

    recipe: str
    plots: list[str]
    note: str


def curves(runs: Mapping[str, Sequence[Run]]) -> list[Curves]:
    """Loss and macro F1 by epoch of every fold, a plot each, of each recipe.

    Args:
        runs: the trained folds by recipe.
    """
    return [_of_recipe(recipe, folds) for recipe, folds in runs.items()]


def _of_recipe(recipe: str, runs: Sequence[Run]) -> Curves:
    there = [run.path.parent for run in runs if run.path.with_name(METRICS_FILE).is_file()]
    histories = [read_metrics(folder, "loss") for folder in there]
    lost = [f"fold {run.card.fold}" for run in runs if run.path.parent not in there]
    notes = [f"{', '.join(lost)}: no {METRICS_FILE} beside the weights"] if lost else []
    if histories and max(map(len, histories)) == 1:
        notes.append("one epoch was trained, so each fold is a point")
    plots = [_plot(recipe, histories, *panel) for panel in _PANELS if any(panel[1] in h for h in histories)]
    return Curves(recipe, plots, "; ".join(notes))


def _plot(recipe: str, histories: Sequence[pd.DataFrame], title: str, key: str, beside: str) -> str:
    """A line a fold; validation beside training where it was measured."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for number, table in enumerate(histories):
            for name, colour, label in ((key, RED, "training"), (beside, BLUE, "people left out")):
                if name in table:
                    _line(axes, table, name, colour if beside else BLUE, label if number == 0 else None)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(0.5, max(map(len, histories)) + 0.5)
        axes.grid(alpha=0.25)
        if beside:
            axes.legend(frameon=False)
        else:
            axes.set_ylim(0, 1)

    return inline_svg(f"{recipe}: {title} by epoch", (5.4, 2.7), draw)


def _line(axes: Axes, table: pd.DataFrame, name: str, colour: str, label: str | None) -> None:
    marker = "o" if len(table) == 1 else None
    axes.plot(table["epoch"] + 1, table[name], color=colour, alpha=0.75, marker=marker, label=label)


def calibration(answers: Answers) -> str:
    """How often answers of each confidence are right."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        person = answers.subject.scored.person
        draw_reliability(axes, person, answers.confidence, ~answers.wrong, colour=BLUE)
        axes.get_legend().remove()  # type: ignore[union-attr]
        axes.set_title("")
        axes.grid(alpha=0.25)

    return inline_svg("calibration: share of right answers by probability", (4.2, 4.0), draw)
