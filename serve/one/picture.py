"""One photo's answers as a picture: the photo with its boxes, each face as it was cut out, and bars."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faces.plots import save_figure
from infer.answers.photo_sheet import draw_factors
from infer.explain.overlay import lit
from infer.export.program.predictor import Told
from serve.one.answer import Answered, said

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 4
"""Faces that are drawn with their answers; the others are framed alone."""
LETTERS = 13
"""Of the words under a picture, in an inch."""


def draw_answered(answered: Answered, out: Path, note: str) -> None:
    """Write the picture.

    Args:
        answered: the photo.
        out: PNG file.
        note: what must be said beside the answer; "" for nothing.
    """
    from matplotlib.figure import Figure

    faces = min(len(answered.cuts), MOST)
    rows = sum(len(told.values) + 1.4 for told in answered.told[0].values())
    height = max(2.9, 0.23 * rows) * faces
    figure = Figure(figsize=(10, height + 0.6), layout="constrained")
    grid = figure.add_gridspec(faces, 3, width_ratios=(1.1, 0.9, 1.4))
    photo = figure.add_subplot(grid[:, 0])
    photo.imshow(answered.photo)
    _draw_boxes(photo, answered)
    photo.set_title("photo")
    for number in range(faces):
        crop, bars = figure.add_subplot(grid[number, 1]), figure.add_subplot(grid[number, 2])
        crop.imshow(answered.cuts[number].crop)
        draw_factors(bars, _shares(answered.told[number]))
        crop.set_axis_off()
        named = f" {number + 1}" if faces > 1 else ""
        found = answered.cuts[number].box is not None
        crop.set_title(f"face{named}, cut out" if found else "no face found: its middle")
        bars.set_title("answer, and how sure")
    _write_note(figure, note)
    save_figure(figure, out, dpi=100)


def draw_explained(
    answered: Answered, maps: Mapping[str, NDArray[np.float32]], out: Path, note: str, centre: float = 1.0
) -> None:
    """Write a picture of the first face, and for each factor where the networks looked for their answer.

    Args:
        answered: the photo.
        maps: [size, size] of a factor, by its name.
        out: PNG file.
        note: as of `draw_answered`.
        centre: share of the crop's side that some network is shown.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    crop, told = answered.cuts[0].crop, answered.told[0]
    figure = Figure(figsize=(2.9 * (1 + len(maps)), 3.75), layout="constrained")
    [axes] = figure.subplots(1, 1 + len(maps), squeeze=False)
    axes[0].imshow(crop)
    axes[0].set_title("the face, cut out", fontsize=10)
    if centre < 1:
        first = (1 - centre) / 2 * len(crop) - 0.5
        shown = Rectangle((first, first), centre * len(crop), centre * len(crop), fill=False, color="w")
        axes[0].add_patch(shown)
    for place, (factor, strength) in zip(axes[1:], maps.items(), strict=True):
        place.imshow(lit(crop, strength))
        place.set_title(f"{factor}:\n{said(told[factor])}", fontsize=10)
        if not strength.any():
            place.text(0.5, 0.5, "nothing speaks for it", transform=place.transAxes, ha="center", color="w")
    for place in axes:
        place.set_axis_off()
    frame = "" if centre == 1 else "White frame: what the networks are shown. "
    _write_note(figure, f"Orange: what speaks for the answer (Grad-CAM, mean of the networks). {frame}{note}")
    save_figure(figure, out, dpi=110)


def _draw_boxes(axes: Axes, answered: Answered) -> None:
    edges = axes.axis()  # a box may reach beyond the photo
    for number, cut in enumerate(answered.cuts):
        if cut.box is None:
            continue
        left, top, right, bottom = cut.box
        places = [left, right, right, left, left], [top, top, bottom, bottom, top]
        axes.plot(*places, color="tab:orange", linewidth=0.8 if number else 2.0)
        if len(answered.cuts) > 1:
            axes.text(left, top, str(number + 1), color="white", va="bottom", backgroundcolor="tab:orange")
    axes.axis(edges)
    axes.set_axis_off()


def _shares(told: Mapping[str, Told]) -> dict[str, dict[str, float]]:
    return {
        factor: dict(zip(each.values, map(float, each.probabilities), strict=True))
        for factor, each in told.items()
    }


def _write_note(figure: Figure, note: str) -> None:
    lines: Sequence[str] = textwrap.wrap(note.strip(), int(figure.get_figwidth() * LETTERS))
    if lines:
        figure.supxlabel("\n".join(lines), fontsize=9)
