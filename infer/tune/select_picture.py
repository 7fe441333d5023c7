"""A greedy selection as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from faces.intervals import estimate
from faces.labels import FloatArray
from faces.plots import save_figure
from infer.evaluate.panels import Scored
from infer.tune.choices import Criterion
from infer.tune.nested import Selected

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_path(
    names: Sequence[str],
    found: Selected,
    scored: Scored,
    parts: Mapping[str, FloatArray],
    by: Criterion,
    path: Path,
) -> None:
    """Write a picture of macro F1 against size, apparent and nested, and of the weights with their spread."""
    figure = Figure(figsize=(14, max(5.0, 1.6 + 0.3 * len(names))))
    figure.set_layout_engine("constrained", w_pad=0.15, h_pad=0.1)
    honest = estimate([parts["selected, nested folds"]])
    people = int(scored.person.max()) + 1
    photos = f"{len(scored.truth):,} photos of {people:,} people, {len(found.folds)} folds"
    figure.suptitle(
        f"greedy selection with replacement by {by}, {_counted(len(names), 'recipe')}, {photos}: "
        f"macro F1{scored.of_task} {honest} nested"
    )
    left, right = figure.subplots(1, 2)
    _draw_sizes(left, found, scored)
    equal = estimate([parts["all recipes, equal weights"]]).value
    left.axhline(equal, color="tab:gray", linestyle=":", label="all recipes, equal weights")
    left.legend(fontsize=9, loc="lower right")
    _draw_shares(right, names, found)
    save_figure(figure, path, dpi=90)


def _counted(number: int, what: str) -> str:
    """`1 vote`, `2 votes`."""
    return f"{number} {what}" + ("" if number == 1 else "s")


def _draw_sizes(axes: Axes, found: Selected, scored: Scored) -> None:
    sizes = np.arange(1, len(found.nested) + 1)
    bands = [estimate([scored.counts(answers)]) for answers in found.nested]
    low, high = [band.low for band in bands], [band.high for band in bands]
    axes.fill_between(sizes, low, high, alpha=0.15, label="95 % over people, nested")
    axes.plot(sizes, [band.value for band in bands], "o-", markersize=3, label="nested folds (honest)")
    axes.plot(sizes, found.whole.macro_f1, color="tab:red", linestyle="--", label="apparent (too good)")
    kept = found.whole.best + 1
    axes.axvline(kept, color="tab:red", linewidth=1, label=f"kept: {_counted(kept, 'vote')}")
    axes.set_xlabel("votes")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"macro F1, {len(scored.task.classes)} classes")
    axes.grid(alpha=0.3)


def _draw_shares(axes: Axes, names: Sequence[str], found: Selected) -> None:
    places = np.arange(len(names))
    whole = found.whole.chosen / found.whole.chosen.sum()
    axes.barh(places, whole, color="tab:red", alpha=0.35, label="selected on all")
    for number, fold in enumerate(found.folds.values()):
        label = None if number else "selected without a fold"
        share = fold.chosen / fold.chosen.sum()
        axes.plot(share, places, "^", color="black", markersize=4, label=label)
    axes.set_yticks(places, names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_xlabel("share of the vote")
    axes.legend(fontsize=9)
    axes.grid(axis="x", alpha=0.3)
