"""What a threshold on the probability of a rare value would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faces.labels import FloatArray
from faces.pages.figures import BLUE, ORANGE, inline_svg
from report.answers import Answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEPS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds of the table."""
BINS = 25


@dataclass(frozen=True)
class Line:
    """What is called the value at a threshold."""

    threshold: float
    called: int
    precision: float
    """NaN where nothing is called it."""
    recall: float
    f1: float


@dataclass(frozen=True)
class Threshold:
    """The probability of one value of a factor, of photos that are of it and of others."""

    title: str
    """P(age >=60)."""
    value: str
    photos: int
    """How many are of it."""
    total: int
    plot: str
    lines: list[Line]
    best: Line
    answered: Line
    """What the answers themselves do; its threshold is NaN."""


def thresholds(answers: Answers) -> list[Threshold]:
    """The rarest value that occurs of each factor that is a number or, where none is, of each factor."""
    parts = range(len(answers.task.parts))
    ordered = [part for part in parts if answers.task.parts[part].edges] or list(parts)
    return [_threshold(answers, part) for part in ordered if len(np.unique(answers.true_parts[part])) > 1]


def line_at(given: FloatArray, mine: NDArray[np.bool_], threshold: float) -> Line:
    """Precision, recall and F1 of calling a photo the value where its probability is at least `threshold`.

    Args:
        given: [n] probabilities of the value.
        mine: [n] whether a photo is of it, at least one is.
        threshold: in [0, 1].
    """
    return _line(given >= threshold, mine, threshold)


def _line(called: NDArray[np.bool_], mine: NDArray[np.bool_], threshold: float) -> Line:
    hits, count = int((called & mine).sum()), int(called.sum())
    f1 = 2 * hits / (count + int(mine.sum()))
    return Line(threshold, count, hits / count if count else float("nan"), hits / int(mine.sum()), f1)


def _threshold(answers: Answers, part: int) -> Threshold:
    true, values = answers.true_parts[part], answers.values[part]
    counts = np.bincount(true, minlength=len(values))
    rare = int(np.argmin(np.where(counts > 0, counts, len(true) + 1)))
    mine, given = true == rare, answers.shares[part][:, rare]
    lines = [line_at(given, mine, step) for step in STEPS]
    name = f"{answers.names[part]} {values[rare]}"
    return Threshold(
        title=f"P({name})",
        value=values[rare],
        photos=int(mine.sum()),
        total=len(mine),
        plot=_plot(name, given, mine),
        lines=lines,
        best=max(lines, key=lambda line: line.f1),
        answered=_line(answers.answered_parts[part] == rare, mine, float("nan")),
    )


def _plot(name: str, given: FloatArray, mine: NDArray[np.bool_]) -> str:
    def draw(figure: Figure) -> None:
        counts, scores = figure.subplots(2, 1, sharex=True)
        edges = np.linspace(0, 1, BINS + 1)
        counts.hist(given[~mine], edges, color=BLUE, alpha=0.6, label="others")
        counts.hist(given[mine], edges, color=ORANGE, alpha=0.8, label=f"really {name}")
        counts.set(yscale="log", ylabel="photos")
        counts.legend(frameon=False)
        fine = np.linspace(0, 1, 101)
        lines = [line_at(given, mine, step) for step in fine]
        for key, colour, style in (("precision", BLUE, "--"), ("recall", ORANGE, "--"), ("f1", ORANGE, "-")):
            scores.plot(fine, [getattr(line, key) for line in lines], style, color=colour, label=key)
        scores.set(xlim=(0, 1), ylim=(0, 1.02), xlabel=f"P({name})", ylabel="score at this threshold")
        scores.legend(frameon=False)
        scores.grid(alpha=0.25)

    return inline_svg(f"histogram of P({name}) and scores by threshold", (5.4, 4.4), draw)
