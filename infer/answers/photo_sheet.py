"""Predicted photos as a sheet for people to look at, and an answer as bars."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.labels import FloatArray, Task
from faces.plots import class_names, save_figure, value_names
from faces.projection import split_classes
from infer.answers.submission import PRIOR
from infer.answers.words import headings, part_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

COLUMNS = 10
"""Photos in a row."""
_LETTERS = 27
"""Letters of a caption's line."""
_LEAST_LINES = 12
"""For how many bars of an answer there is room in any picture."""


def draw_photo_sheet(cache: Cache, table: pd.DataFrame, task: Task, path: Path, rows: int = 4) -> None:
    """Write a picture of photos spread over the answers, each with its answer and the probability of that.

    Args:
        cache: the predicted photos.
        table: from `answer_table`.
        task: what was answered.
        path: a PNG file.
        rows: rows of ten photos each, at most.
    """
    from matplotlib.figure import Figure  # takes a second to import, for which --help should not wait

    seen = table[table.answered_by != PRIOR]
    by_class = seen.groupby("ans", sort=True).cumcount()
    chosen = seen.loc[by_class.sort_values(kind="stable").index].head(rows * COLUMNS).sort_values("ans")
    rows = max(1, -(-len(chosen) // COLUMNS))
    figure = Figure(figsize=(1.6 * COLUMNS, 2.1 * rows), layout="constrained")
    told = ", ".join(headings(task))
    figure.suptitle(f"{told}: what was answered, and how probable that is; photos of each answer in turn")
    draw_photo_grid(figure, cache, chosen, task, rows)
    save_figure(figure, path, dpi=90)


def draw_photo_grid(
    figure: Figure | SubFigure,
    cache: Cache,
    photos: pd.DataFrame,
    task: Task,
    rows: int,
    truth: dict[str, int] | None = None,
) -> None:
    """Draw crops in a grid of ten a row; with the truth given, wrong answers are red, with what is right.

    Args:
        figure: where to draw.
        cache: holds the photos.
        photos: rows of `answer_table`.
        task: what was answered.
        rows: rows of the grid.
        truth: classes of the task by ImageID.
    """
    row_of = pd.Series(np.arange(len(cache)), index=cache.index["image_id"])
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, photo in zip(grid.flat, photos.to_dict("records"), strict=False):
        axes.imshow(cache.image(int(row_of[photo["ImageID"]])))
        right = None if truth is None else truth[photo["ImageID"]]
        _caption(axes, task, photo["ans"], photo[task.columns[photo["ans"]]], right)


def _caption(axes: Axes, task: Task, answer: int, probability: float, truth: int | None) -> None:
    lines = f"{textwrap.fill(class_names(task)[answer], _LETTERS)}\nprobability {probability:.0%}"
    if truth is not None and truth != answer:
        lines += f"\nright: {_difference(truth, answer, task)}"
    colour = "black" if truth is None or truth == answer else "tab:red"
    axes.set_title(lines, fontsize=7.5, color=colour)


def _difference(truth: int, answer: int, task: Task) -> str:
    """The true values that differ from those answered."""
    codes = split_classes([truth, answer], task)
    pairs = zip(codes.values(), value_names(task), strict=True)
    return " ".join(names[true] for (true, given), names in pairs if true != given)


def factor_shares(probabilities: FloatArray, task: Task) -> dict[str, dict[str, float]]:
    """Probability of each value of each factor.

    Args:
        probabilities: [classes] of the task.
        task: what was answered.
    """
    shares = part_shares(probabilities[None], task)
    return {
        heading: dict(zip(part.classes, share.tolist(), strict=True))
        for heading, part, (share,) in zip(headings(task), task.parts, shares, strict=True)
    }


def draw_factors(axes: Axes, shares: Mapping[str, Mapping[str, float]]) -> None:
    """A bar for each value under its factor's name, the likeliest of each factor in bold."""
    place = 0.0
    for heading, values in shares.items():
        axes.text(-0.03, place, heading, ha="right", va="center", color="gray", style="italic")
        place += 1
        likeliest = max(values, key=lambda name: values[name])
        for name, share in values.items():
            best = name == likeliest
            axes.barh(place, share, color="tab:blue" if best else "lightsteelblue", height=0.8)
            axes.text(-0.03, place, name, ha="right", va="center", weight="bold" if best else "normal")
            axes.text(share + 0.02, place, f"{share:.0%}", va="center", weight="bold" if best else "normal")
            place += 1
        place += 0.4
    axes.set_xlim(-0.5, 1.2)
    axes.set_ylim(max(place, _LEAST_LINES), -1)
    axes.set_axis_off()
