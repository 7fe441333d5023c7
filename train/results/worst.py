"""The photos that a run is most surely wrong about: hard faces, and wrong labels."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.cache.reader import Cache
from faces.labels import UNKNOWN, LabelSet
from train.results.oof import fact_columns
from train.results.report import scored_heads

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 8
_CELL = 1.85
"""Width of a column, in inches."""
_CAPTION = 0.5
"""Height of the words below a crop, in inches."""


def worst_errors(table: pd.DataFrame, labels: LabelSet, count: int = 24) -> pd.DataFrame:
    """The wrong predictions of an out-of-fold table, the most confident first.

    Where the labels' headline is judged, its classes are looked at; otherwise each head by itself, so that a
    photo may come once for each task. Equal ones stay in the order of the table.

    Args:
        table: of `train.results.oof.oof_table`, of one fold or several.
        labels: that its photos have.
        count: greatest number of rows.

    Returns:
        The table's columns that are no probabilities, and `task`, `true` and `guessed` (class names),
        `confidence` (probability of the guess, in [0, 1]) and `margin` (by how much that is more than the
        probability of the truth, in [0, 1]).
    """
    facts = table[fact_columns(table)]
    parts = []
    for task, probabilities in scored_heads(table, labels).items():
        truth, guess = labels.task(task).encode(table), probabilities.argmax(1)
        wrong = np.flatnonzero((truth != UNKNOWN) & (truth != guess))
        names = np.array(labels.task(task).classes, object)
        confidence = probabilities[wrong, guess[wrong]].astype(np.float64)
        part = facts.iloc[wrong].assign(task=task, true=names[truth[wrong]], guessed=names[guess[wrong]])
        parts.append(
            part.assign(confidence=confidence, margin=confidence - probabilities[wrong, truth[wrong]])
        )
    errors = pd.concat(parts, ignore_index=True)
    return errors.sort_values("margin", ascending=False, kind="stable", ignore_index=True).head(count)


def draw_worst(cache: Cache, table: pd.DataFrame, count: int = 24) -> Figure:
    """The crops of `worst_errors`, eight a row, each with its label, what was guessed, and how surely."""
    errors = worst_errors(table, cache.label_set, count)
    if errors.empty:
        figure = Figure(figsize=(8, 1))
        figure.text(0.5, 0.5, f"none of {len(table):,} photos is predicted wrongly", ha="center", va="center")
        return figure
    rows = math.ceil(len(errors) / _COLUMNS)
    height = rows * (_CELL + _CAPTION) + _CAPTION
    figure = Figure(figsize=(_CELL * _COLUMNS, height))
    title = "wrong with the greatest confidence: the label, and in red the guess and its probability"
    figure.suptitle(title, y=1 - 0.3 * _CAPTION / height, fontsize=11)
    row_of = pd.Series(np.arange(len(cache)), index=cache.columns("position")["position"])
    row_of = row_of[~row_of.index.duplicated()]  # only the first face of a photo is labelled
    grid = figure.subplots(rows, _COLUMNS, squeeze=False)
    figure.subplots_adjust(
        left=0.01, right=0.99, top=1 - _CAPTION / height, bottom=_CAPTION / height, hspace=0.3, wspace=0.06
    )
    for axes in grid.flat:
        axes.axis("off")
    for axes, error in zip(grid.flat, errors.to_dict("records"), strict=False):
        axes.imshow(cache.image(int(row_of[error["position"]])))
        _caption(axes, error, cache.label_set.headline)
    return figure


def _caption(axes: Axes, error: dict[Hashable, Any], headline: str) -> None:
    low: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center"}
    task = "" if error["task"] == headline else f"{error['task']}: "
    guess = f"→ {error['guessed']}  {error['confidence']:.0%}"
    axes.annotate(task + error["true"], (0.5, 0), (0, -11), fontsize=7.5, **low)
    axes.annotate(guess, (0.5, 0), (0, -22), fontsize=7.5, color="tab:red", **low)
