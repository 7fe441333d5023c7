"""An evaluation as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from faces.intervals import estimate
from faces.labels import FloatArray, IntArray, Task
from faces.plots import draw_confusions, save_figure
from infer.ensemble.calibration import BINS, bin_of_photos, reliability
from infer.evaluate.scores import Group, Scores, share_counts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FEW = 10
"""A bar of fewer people is drawn grey: its score varies much."""


def draw_evaluation(
    title: str,
    person: IntArray,
    truth: IntArray,
    guess: IntArray,
    confidence: FloatArray,
    scores: Scores,
    task: Task,
    path: Path,
) -> None:
    """Write a picture of confusions, reliability, and scores by class and by slice with their intervals.

    Args:
        title: what is shown, with its conditions.
        person: [n] numbers of people, from `scores.numbered`.
        truth: [n] classes of the task.
        guess: [n] classes of the task.
        confidence: [n] probability given to `guess`.
        scores: scores of these answers.
        task: the task that they answer.
        path: a PNG file.
    """
    several = len(task.parts) > 1
    figure = Figure(figsize=(17, _height(task)))
    figure.set_layout_engine("constrained", w_pad=0.15)
    figure.suptitle(title, fontsize=14)
    if several:
        grid = figure.add_gridspec(2, 1, height_ratios=(1.25, 1))
        confusions, beside = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        classes, slices, reliable = beside.subplots(1, 3, width_ratios=(1.1, 1, 1))
        _draw_bars(slices, scores.slices, "macro_f1")
        slices.set_title("macro F1 of the other factors\nwithin each slice")
    else:
        grid = figure.add_gridspec(1, 2, width_ratios=(1, 2.2))
        confusions, beside = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
        classes, reliable = beside.subplots(1, 2, width_ratios=(1.1, 1))
    draw_confusions(confusions, truth, guess, task)
    _draw_bars(classes, {"": scores.classes}, "f1")
    classes.set_title(f"F1 of each class (grey: under {_FEW} people)")
    draw_reliability(reliable, person, confidence, truth == guess)
    save_figure(figure, path, dpi=80)


def _height(task: Task) -> float:
    """Inches: a row of panels for a single factor, else confusions above all others, both as high as the
    classes need."""
    count = len(task.classes)
    return max(6.0, 2 + 0.35 * count) if len(task.parts) == 1 else 9 + 10.5 * count / 18


def _draw_bars(axes: Axes, groups: Mapping[str, Sequence[Group]], key: str) -> None:
    lines = [(f"{factor} {group.name}".strip(), group) for factor in groups for group in groups[factor]]
    height = min(0.8, 0.13 * len(lines))  # few bars are no broad blocks
    for place, (_, group) in enumerate(lines):
        score = group.scores[key]
        colour = "tab:blue" if group.people >= _FEW else "tab:gray"
        axes.barh(place, score.value, height=height, color=colour, alpha=0.35)
        axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2)
        text = f"{score.value:.2f}   {group.people:,} people"
        axes.text(1.02, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=9)
    axes.set_yticks(range(len(lines)), [name for name, _ in lines])
    axes.set_xlim(0, 1)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def draw_reliability(
    axes: Axes,
    person: IntArray,
    confidence: FloatArray,
    right: NDArray[np.bool_],
    name: str = "",
    colour: str = "tab:blue",
) -> None:
    """How often answers of each confidence are right, in bins of equally many photos, with 95 % intervals.

    Args:
        axes: where to draw.
        person: [n] numbers of people, from `scores.numbered`.
        confidence: [n] probability given to the answer.
        right: [n] whether the answer is right.
        name: name of the answers, where several are drawn together.
        colour: colour of their marks.
    """
    found, bins = reliability(confidence, right), bin_of_photos(confidence)
    bands = [estimate([share_counts(person, right, bins == b)]) for b in range(len(found.photos))]
    axes.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle=":")
    for at, band in zip(found.confidence, bands, strict=True):
        axes.plot([at, at], [band.low, band.high], color=colour, alpha=0.4, linewidth=2)
    label = f"{name} ECE {found.error:.3f}".strip()
    axes.plot(found.confidence, found.accuracy, "o-", color=colour, label=label)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.set_xlabel("probability given to the answer")
    axes.set_ylabel("share of right answers")
    axes.set_title(f"reliability, {BINS} bins of equally many photos")
    axes.legend(loc="upper left")
    axes.grid(alpha=0.3)
