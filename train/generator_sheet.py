"""Pictures of generated crops."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from faces.labels import CLASS_NAMES, IntArray

_CELL = 0.8
"""Inches of an image's side."""


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """float [n, 3, S, S] in -1 to 1 -> uint8 [n, S, S, 3]: -1 is 0, 1 is 255, rounded to the nearest."""
    levels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte()
    return np.ascontiguousarray(levels.permute(0, 2, 3, 1).cpu().numpy())


def draw_classes(images: Tensor, classes: IntArray, path: Path, title: str) -> None:
    """Write a picture with a row of samples to each class.

    Args:
        images: float [n, 3, S, S] in -1 to 1.
        classes: [n] 18-class codes, equally many of each that occurs.
        path: the picture.
        title: what it shows.
    """
    present = np.unique(classes)
    pixels = to_pixels(images)
    rows = [np.hstack(list(pixels[classes == code])) for code in present]
    _draw(rows, [CLASS_NAMES[code] for code in present], pixels.shape[1], path, title)


def draw_pairs(samples: Tensor, nearest: Tensor, names: Sequence[str], path: Path, title: str) -> None:
    """Write a picture of samples, each with the training crop nearest to it below.

    Args:
        samples: float [n, 3, S, S] in -1 to 1.
        nearest: the same of the training crops.
        names: of the pairs' columns, one each.
        path: the picture.
        title: what it shows.
    """
    above, below = to_pixels(samples), to_pixels(nearest)
    rows = [np.hstack(list(above)), np.hstack(list(below))]
    _draw(rows, ["sample", "nearest"], above.shape[1], path, title, names)


def _draw(
    rows: Sequence[NDArray[np.uint8]],
    labels: Sequence[str],
    side: int,
    path: Path,
    title: str,
    columns: Sequence[str] = (),
) -> None:
    picture = np.vstack(list(rows))
    height, width = picture.shape[0] / side * _CELL, picture.shape[1] / side * _CELL
    figure = Figure(figsize=(width + 1.8, height + 0.8))
    axes = figure.add_axes(
        (1.7 / (width + 1.8), 0.3 / (height + 0.8), width / (width + 1.8), height / (height + 0.8))
    )
    axes.imshow(picture)
    axes.set_yticks([(k + 0.5) * side - 0.5 for k in range(len(labels))], labels, fontsize=8)
    axes.set_xticks([(k + 0.5) * side - 0.5 for k in range(len(columns))], columns, fontsize=7)
    axes.tick_params(length=0)
    for edge in axes.spines.values():
        edge.set_visible(False)
    figure.suptitle(title, fontsize=10)
    figure.savefig(path, dpi=100)
