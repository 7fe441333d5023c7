"""Counts and spreads as bars: plain values that the page's template draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from faces.labels import Number

WIDTH, HEIGHT, BASE, TOP = 480, 170, 142, 18
"""Size of a histogram's drawing, and where its bars stand and how high they may rise."""
BINS, TICKS = 24, 8
MOST_SIZES = 10


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart."""

    name: str
    count: int
    share: float
    """Share of all that were counted, 0 to 1."""
    length: float
    """Length in percent of the longest bar's."""


@dataclass(frozen=True)
class Column:
    """One column of a histogram, in units of the drawing."""

    x: float
    y: float
    width: float
    height: float
    label: str
    """Shown when the pointer rests on it."""


@dataclass(frozen=True)
class Histogram:
    """The drawing of a histogram; texts stand at x in units of the drawing."""

    title: str
    columns: list[Column]
    ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]]
    tallest: int
    """Count of the tallest column."""
    summary: str


@dataclass(frozen=True)
class Strips:
    """Histograms of several groups one below the other, over one axis; each as high as its own tallest."""

    title: str
    note: str
    """What the numbers are."""
    lines: list[tuple[Histogram, str]]
    """A group's drawing, named by its title, and how many of it lie beyond the limit."""


def bars(counts: Sequence[int], names: Sequence[str]) -> list[Bar]:
    """A bar for every name; without counts all are of length 0."""
    total, most = max(sum(counts), 1), max([*counts, 1])
    return [
        Bar(name, count, count / total, 100 * count / most) for name, count in zip(names, counts, strict=True)
    ]


def coded(codes: ArrayLike, names: Sequence[str]) -> list[Bar]:
    """How often each name's code occurs; negative codes, of what is not known, are left out."""
    values = np.asarray(codes, np.int64)
    return bars(np.bincount(values[values >= 0], minlength=len(names)).tolist(), names)


def photo_sizes(crops: pd.DataFrame) -> list[Bar]:
    """The commonest width x height of the photos, and the rest together."""
    known = crops[["width", "height"]].dropna().astype(int)
    sizes = known.value_counts().rename("count").reset_index()
    sizes = sizes.sort_values(["count", "width", "height"], ascending=[False, True, True])
    shown, rest = sizes.head(MOST_SIZES), sizes.iloc[MOST_SIZES:]
    names = [f"{width} x {height}" for width, height in zip(shown["width"], shown["height"], strict=True)]
    counts = shown["count"].tolist()
    if len(rest):
        names.append(f"{len(rest)} other sizes" if len(rest) > 1 else "1 other size")
        counts.append(int(rest["count"].sum()))
    return bars(counts, names)


def number(factor: Number, values: ArrayLike) -> Histogram:
    """Labels that are numbers, over about `BINS` columns from the least there can be, with the edges of the
    factor's bands marked."""
    known = _known(values)
    low = min(known.min(initial=factor.edges[0]), factor.edges[0])
    # Many data sets clip ages at 60, so most of the last band may stand just right of its mark.
    high = max(known.max(initial=low), factor.edges[-1] + (factor.edges[-1] - factor.least) / 6)
    if low - factor.least <= high - low:
        low = factor.least
    edges = _round_edges(low, high, BINS)
    if known.max(initial=low) >= edges[-1]:  # the last column holds its upper end, too
        edges = np.append(edges, 2 * edges[-1] - edges[-2])
    title = f"{in_title(factor.name)}, {factor.unit}" if factor.unit else in_title(factor.name)
    return _drawn(title, known, edges, edges[::4], marks=factor.edges)


def in_title(name: str) -> str:
    """The name of a factor as a title begins with it: face_shield is Face shield."""
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]


def spread(title: str, values: ArrayLike, *, unit: str = "") -> Histogram:
    """A histogram over about `BINS` columns with round edges; NaN is left out."""
    known = _known(values)
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges, ticks = (_round_edges(low, high, count) for count in (BINS, TICKS))
    inside = (ticks >= edges[0]) & (ticks <= edges[-1])
    return _drawn(title, known, edges, ticks[inside], unit=unit)


def doublings(title: str, values: ArrayLike) -> Histogram:
    """A histogram whose columns widen: two of them to each doubling. Values below 1 count as 1."""
    known = np.maximum(_known(values), 1)
    low, high = (np.log2(known.min()), np.log2(known.max())) if len(known) else (0.0, 1.0)
    powers = np.arange(np.floor(low), np.floor(high) + 1.25, 0.5)
    edges = 2**powers
    return _drawn(title, known, edges, edges[::2], logarithmic=True)


def strips(
    title: str, note: str, groups: Sequence[tuple[str, ArrayLike, str]], low: float, limit: float
) -> Strips:
    """Histograms of groups over an axis from `low` (or below) to 1 (or above), with a limit marked.

    Args:
        title: of the whole.
        note: what the numbers are.
        groups: name, numbers, and what is said of it, for each.
        low: where the axis begins at the latest.
        limit: the number that is marked.
    """
    known = [(name, _known(values), text) for name, values, text in groups]
    every = np.concatenate([[low, 1.0], *(values for _, values, _ in known)])
    edges, ticks = (_round_edges(every.min(), every.max(), count) for count in (BINS, TICKS))
    ticks = ticks[(ticks >= edges[0]) & (ticks <= edges[-1])]
    lines = [(_drawn(name, values, edges, ticks, marks=[limit]), text) for name, values, text in known]
    return Strips(title, note, lines)


def _round_edges(low: float, high: float, most: int) -> NDArray[np.float64]:
    """Equally far apart round numbers, at most so many steps, from `low` or below to `high` or above."""
    from matplotlib.ticker import MaxNLocator

    return np.asarray(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high), np.float64)


def _known(values: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(values, np.float64)
    return numbers[np.isfinite(numbers)]


def _drawn(
    title: str,
    values: NDArray[np.float64],
    edges: NDArray[np.float64],
    ticks: NDArray[np.float64],
    *,
    unit: str = "",
    marks: Sequence[float] = (),
    logarithmic: bool = False,
) -> Histogram:
    # Round edges such as 37.4 may come out a rounding error above the very value.
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    tallest = int(counts.max(initial=0))
    scale = np.log2 if logarithmic else np.asarray
    low, high = scale(edges[[0, -1]])

    def place(value: ArrayLike) -> NDArray[np.float64]:
        return np.asarray((scale(value) - low) / (high - low) * WIDTH)

    columns = []
    for count, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        x, end = place(left), place(right)
        height = (BASE - TOP) * count / max(tallest, 1)
        label = f"{_short(left)} to {_short(right)}: {count:,}"
        columns.append(Column(float(x) + 0.75, BASE - height, float(end - x) - 1.5, height, label))
    texts = [(float(place(tick)), _short(tick)) for tick in ticks]
    marked = [(float(place(mark)), _short(mark)) for mark in marks]
    return Histogram(title, columns, texts, marked, tallest, _summary(values, unit))


def _summary(values: NDArray[np.float64], unit: str) -> str:
    if not len(values):
        return "Not known of any."
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    spaced = f" {unit}" if unit else ""
    most = f"nine in ten from {_short(low)} to {_short(high)}"
    return f"median {_short(middle)}{spaced}, {most}; n = {len(values):,}"


def _short(value: float) -> str:
    """At most three figures where there is a fraction: 0.9987 is 0.999, 1234.5 is 1,234."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"
