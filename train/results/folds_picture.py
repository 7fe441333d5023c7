"""What each fold left out: counts of classes and labels, and how probable a number's last band was found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.labels import UNKNOWN, FloatArray, LabelSet, Number, Task
from faces.plots import class_names, save_figure
from faces.projection import covers, project
from train.results.oof import heads_of
from train.results.report import folds_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDS_FILE: Final = "folds.png"
MOST_CLASSES: Final = 24
"""Classes of the headline of which a panel is drawn."""
_FEW, _IN_ROW, _BINS = 6, 4, 25
"""Classes that a narrow panel has room for, narrow panels in a row, and columns of a histogram."""


def draw_folds(table: pd.DataFrame, folder: Path, labels: LabelSet) -> Path:
    """Write folds.png, `folds_figure` of a recipe's folder."""
    save_figure(folds_figure(table, folder.name, labels), folder / FOLDS_FILE, dpi=80)
    return folder / FOLDS_FILE


def folds_figure(table: pd.DataFrame, name: str, labels: LabelSet) -> Figure:
    """Photos of each class of the headline and of each factor's values, fold by fold, and a histogram of the
    probability of each number's last band, such as 60 or over, by whether it is true.

    Args:
        table: out-of-fold table of one fold or several.
        name: of the recipe.
        labels: that the photos have.
    """
    heads = heads_of(table, labels)
    factors = [labels.task(factor.name) for factor in labels.factors]
    numbers = [
        task
        for task, factor in zip(factors, labels.factors, strict=True)
        if isinstance(factor, Number) and covers(heads, task.name, labels)
    ]
    whole = labels.task(labels.headline) if labels.headline else None
    wide = [whole] if whole and len(whole.parts) > 1 and whole.count <= MOST_CLASSES else []
    panels = len(factors) + len(numbers)
    rows = -(-panels // _IN_ROW)
    figure = Figure(figsize=(16, 4.5 * (rows + len(wide))), layout="constrained")
    figure.suptitle(f"{name}, photos left out by {folds_in(table)}")
    grid = figure.add_gridspec(rows + len(wide), min(panels, _IN_ROW))
    for task in wide:
        _draw_counts(figure.add_subplot(grid[0, :]), table, task)
    places = (figure.add_subplot(grid[len(wide) + n // _IN_ROW, n % _IN_ROW]) for n in range(panels))
    for task in factors:
        _draw_counts(next(places), table, task)
    for task in numbers:
        _draw_last_band(next(places), table, heads, task, labels)
    return figure


def _draw_counts(axes: Axes, table: pd.DataFrame, task: Task) -> None:
    """Bars of each class's photos, side by side for each fold."""
    names, folds = class_names(task), sorted(table["fold"].unique())
    width = 0.8 / len(folds)
    for place, fold in enumerate(folds):
        codes = task.encode(table[table["fold"] == fold])
        counts = np.bincount(codes[codes != UNKNOWN], minlength=len(names))
        axes.bar(np.arange(len(names)) + (place + 0.5) * width - 0.4, counts, width, label=f"fold {fold}")
    turn, side = (45, "right") if len(names) > _FEW else (0, "center")
    axes.set_xticks(range(len(names)), names, rotation=turn, ha=side)
    several = len(task.parts) > 1
    axes.set(title=f"{len(names)} classes" if several else task.name, ylabel="photos")
    axes.legend(fontsize=8)
    axes.grid(axis="y", alpha=0.3)


def _draw_last_band(
    axes: Axes, table: pd.DataFrame, heads: Mapping[str, FloatArray], task: Task, labels: LabelSet
) -> None:
    """The probability of a number's last band, of photos that are of it and of others."""
    truth, last = task.encode(table), len(task.classes) - 1
    chance = project(heads, task.name, labels)[:, last]
    edges = np.linspace(0, 1, _BINS + 1)
    for name, mine in (("others", (truth != last) & (truth != UNKNOWN)), (task.classes[last], truth == last)):
        axes.hist(chance[mine], edges.tolist(), alpha=0.6, label=f"{name}: {int(mine.sum()):,} photos")
    asked = f"is {task.name} {task.classes[last]}?"
    axes.set(title=f"{asked} answers out of fold", xlabel="probability of yes", ylabel="photos")
    axes.set_yscale("log")  # the rare band would not be seen beside the others
    axes.set_ylim(bottom=0.7)
    axes.legend(fontsize=8)
