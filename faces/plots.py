"""Pictures that several stages draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from faces.labels import AGE_BANDS, CLASS_COUNT, CLASS_NAMES, GENDERS, MASKS, IntArray, split_classes
from faces.scores import confusion

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_DARK = 0.55
"""Share above which a cell is so dark that its number must be white."""


def draw_confusion(axes: Axes, counts: IntArray, names: Sequence[str], *, title: str) -> None:
    """A confusion matrix shaded by row shares, with the counts written in.

    Args:
        axes: where to draw.
        counts: [k, k]; rows are true classes.
        names: k class names.
        title: what is confused.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45 if len(names) < 6 else 90, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "white" if shares[row, column] > _DARK else "black"
            size = 10 if len(names) < 6 else 7
            axes.text(column, row, str(count), ha="center", va="center", color=colour, fontsize=size)


def draw_confusions(figure: Figure | SubFigure, truth: IntArray, guess: IntArray) -> None:
    """The 18-class confusion matrix, and beside it those of mask, gender and age band.

    Args:
        figure: at least about 14 x 8 inches.
        truth: [n] 18-class codes.
        guess: [n] 18-class codes.
    """
    grid = figure.add_gridspec(1, 2, width_ratios=(2.1, 1))
    wide, narrow = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    draw_confusion(wide.subplots(), confusion(truth, guess, CLASS_COUNT), CLASS_NAMES, title="18 classes")
    true_factors, guessed_factors = split_classes(truth), split_classes(guess)
    names = {"mask": MASKS, "gender": GENDERS, "age": AGE_BANDS}
    for axes, (factor, values) in zip(narrow.subplots(3, 1), names.items(), strict=True):
        right = float((true_factors[factor] == guessed_factors[factor]).mean())
        counts = confusion(true_factors[factor], guessed_factors[factor], len(values))
        draw_confusion(axes, counts, values, title=f"{factor}: accuracy {right:.3f}")
