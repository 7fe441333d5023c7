"""Predicted photos as a sheet for people to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from faces.cache import Cache
from faces.labels import CLASS_NAMES, split_classes
from infer.answers.submission import PRIOR
from infer.ensemble.tree import FACTORS

_COLUMNS = 10


def draw_photo_sheet(cache: Cache, table: pd.DataFrame, path: Path, rows: int = 4) -> None:
    """Write a picture of photos spread over the answers, each with its answer and the probability of that.

    Args:
        cache: the predicted photos.
        table: from `answer_table`.
        path: a PNG file.
        rows: rows of ten photos each.
    """
    seen = table[table.answered_by != PRIOR]
    by_class = seen.groupby("ans", sort=True).cumcount()
    chosen = seen.loc[by_class.sort_values(kind="stable").index].head(rows * _COLUMNS).sort_values("ans")
    figure = Figure(figsize=(1.6 * _COLUMNS, 2.05 * rows), layout="constrained")
    figure.suptitle("one photo of each predicted class in turn: the answer and its probability")
    draw_photo_grid(figure, cache, chosen, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def draw_photo_grid(
    figure: Figure | SubFigure,
    cache: Cache,
    photos: pd.DataFrame,
    rows: int,
    truth: dict[str, int] | None = None,
) -> None:
    """Draw crops in a grid of ten a row; with the truth given, wrong answers are red, with what is right.

    Args:
        figure: where to draw.
        cache: holds the photos.
        photos: rows of `answer_table`.
        rows: rows of the grid.
        truth: 18-class codes by ImageID.
    """
    row_of = pd.Series(np.arange(len(cache)), index=cache.index["image_id"])
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, photo in zip(grid.flat, photos.to_dict("records"), strict=False):
        axes.imshow(cache.image(int(row_of[photo["ImageID"]])))
        right = None if truth is None else truth[photo["ImageID"]]
        _caption(axes, photo["ans"], photo[CLASS_NAMES[photo["ans"]]], right)


def _caption(axes: Axes, answer: int, probability: float, truth: int | None) -> None:
    lines = f"{CLASS_NAMES[answer]}\n{probability:.0%}"
    if truth is not None and truth != answer:
        lines += f"  is {_difference(truth, answer)}"
    colour = "black" if truth is None or truth == answer else "tab:red"
    axes.set_title(lines, fontsize=7.5, color=colour)


def _factors(code: int) -> list[str]:
    parts = split_classes([code])
    return [names[int(parts[factor][0])] for factor, names in FACTORS.items()]


def _difference(truth: int, answer: int) -> str:
    return " ".join(a for a, b in zip(_factors(truth), _factors(answer), strict=True) if a != b)
