"""The filter of an antialiased resize that is DALI's, PIL's and torchvision's: a triangle."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def reach_of(source: int, side: int) -> float:
    """How far the filter sees, in pixels of a line of `source` that becomes `side`: 1 where it grows."""
    return max(source / side, 1.0)


def centres_of(source: int, side: int, first: int, count: int) -> NDArray[np.float64]:
    """[count] where pixels of the resized line lie on the source, whose pixel k covers k to k + 1.

    Args:
        source: pixels of the line.
        side: pixels of the whole resized line.
        first: the first of them that is wanted.
        count: how many are.
    """
    return (np.arange(first, first + count) + 0.5) * source / side


def triangle(pixels: ArrayLike, centres: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """[count, taps] weights, at most 1 and not yet of sum 1: 1 - distance / reach, or 0 where that is less.

    Args:
        pixels: numbers of pixels of the source, [taps], or [count, taps] for each centre its own.
        centres: [count] of `centres_of`.
        reach: of `reach_of`.
    """
    weights: NDArray[np.float64] = np.maximum(
        1 - np.abs(np.asarray(pixels) + 0.5 - centres[:, None]) / reach, 0
    )
    return weights
