"""Pictures that several stages draw."""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faces.files import write_atomically
from faces.labels import IntArray, Task
from faces.projection import split_classes
from faces.scores import confusion
from faces.terminal.output import print_notes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_DARK = 0.55
"""Share above which a cell is so dark that its number must be white."""


def save_figure(figure: Figure, path: Path, *, dpi: int) -> None:
    """Write a picture whole, in the format of its suffix; its folder is made.

    Names in it stand as they are: one with two $ is no formula, and what matplotlib's own font lacks, such as
    Korean, is taken from a font of this machine that has it.

    Raises:
        OSError: not writable, with the path.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    with legible(figure):
        figure.savefig(buffer, dpi=dpi, format=path.suffix[1:] or "png")
    write_atomically(path, buffer.getvalue())


@contextmanager
def legible(figure: Figure) -> Iterator[None]:
    """Whenever a figure is laid out or drawn: its names as `save_figure` shows them."""
    from matplotlib.text import Text

    axes = [axis for each in figure.axes for axis in (each.xaxis, each.yaxis) if axis.get_scale() == "log"]
    powers = {label for axis in axes for label in axis.get_ticklabels(which="both")}
    for text in figure.findobj(Text):
        if isinstance(text, Text) and text not in powers:
            text.set_parse_math(False)
            families = text.get_fontfamily()
            others = _fonts_for("".join(sorted({each for each in text.get_text() if each > "\x7f"})))
            if left := [each for each in others if each not in families]:
                text.set_fontfamily([*families, *left])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a note said so
        yield


@cache
def _fonts_for(characters: str) -> tuple[str, ...]:
    """Families of fonts of this machine that have what matplotlib's own font lacks of these characters; where
    none has it, a note says so, once."""
    from matplotlib import font_manager

    def lacking(file: str, wanted: set[str]) -> set[str]:
        there = font_manager.get_font(file).get_charmap()
        return {each for each in wanted if ord(each) not in there}

    wanted, found = lacking(font_manager.findfont("DejaVu Sans"), {*characters}), []
    # Matplotlib's last resort has a box for each character.
    others = [each for each in font_manager.fontManager.ttflist if not each.name.startswith("Last Resort")]
    for font in others if wanted else []:
        if (left := lacking(font.fname, wanted)) < wanted:
            found.append(font.name)
            wanted = left
    if wanted:
        _tell_boxes()
    return tuple(found)


@cache
def _tell_boxes() -> None:
    print_notes(
        ["pictures: no font of this machine has all letters of the names in them, which are boxes there; "
         "install one (of Korean: fonts-nanum or fonts-noto-cjk)"]
    )  # fmt: skip


def value_names(task: Task) -> list[tuple[str, ...]]:
    """Names of the values of each part, for pictures: with the factor in front where two factors have values
    that are called alike, such as yes and no."""
    every = [value for part in task.parts for value in part.classes]
    if len({*every}) == len(every):
        return [part.classes for part in task.parts]
    return [tuple(f"{part.factor.name} {value}" for value in part.classes) for part in task.parts]


def class_names(task: Task) -> list[str]:
    """Names of a task's classes, for pictures, out of `value_names`."""
    return [" ".join(values) for values in itertools.product(*value_names(task))]


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


def draw_confusions(
    figure: Figure | SubFigure,
    truth: IntArray,
    guess: IntArray,
    task: Task,
    factors: Mapping[str, IntArray] | None = None,
) -> None:
    """The confusion matrix of a task's classes, and beside it those of its factors where it has several.

    Args:
        figure: at least about 14 x 8 inches.
        truth: [n] classes of the task; photos of which it is `UNKNOWN` are left out.
        guess: [n] classes of the task.
        task: which.
        factors: [n] true codes by factor, left out where `UNKNOWN`; those of `truth` if None.
    """
    if len(task.parts) == 1:
        _draw_known(figure.subplots(), truth, guess, task.classes, task.name)
        return
    grid = figure.add_gridspec(1, 2, width_ratios=(2.1, 1))
    wide, narrow = figure.add_subfigure(grid[0]), figure.add_subfigure(grid[1])
    known = truth >= 0
    counts = confusion(truth[known], guess[known], len(task.classes))
    draw_confusion(wide.subplots(), counts, class_names(task), title=f"{len(task.classes)} classes")
    true_factors = split_classes(truth, task) if factors is None else factors
    guessed_factors = split_classes(guess, task)
    for axes, part in zip(narrow.subplots(len(task.parts), 1), task.parts, strict=True):
        name = part.factor.name
        _draw_known(axes, true_factors[name], guessed_factors[name], part.classes, name)


def _draw_known(axes: Axes, truth: IntArray, guess: IntArray, names: Sequence[str], title: str) -> None:
    """A confusion matrix of the photos whose class is known, and the share of right ones in its title."""
    known = truth >= 0
    right = f"accuracy {(truth == guess)[known].mean():.3f}" if known.any() else "not known of any photo"
    counts = confusion(truth[known], guess[known], len(names))
    draw_confusion(axes, counts, names, title=f"{title}: {right}")
