"""The numbers of what every graph does, augmented or not: the centre crop and the normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import FloatArray


def centre_window(image_size: int, centre: float) -> tuple[float, float]:
    """Where evaluation looks: torchvision's Resize(round(image_size / centre)) and CenterCrop(image_size).

    At 224 and 0.875 crops become 256 x 256 and lose 16 pixels on every side: (0.0625, 0.875).

    Args:
        image_size: side of the output, pixels.
        centre: share of the stored crop's side that is kept, in (0, 1].

    Returns:
        Left (and top) edge of the kept square and its side, as fractions of the stored crop's side.
    """
    resized = round(image_size / centre)
    return round((resized - image_size) / 2) / resized, image_size / resized


def normalisation(mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """Normalisation alone as a colour matrix: float32 [3, 4], from (R, G, B, 1) in 0 to 255.

    Args:
        mean: of R, G and B in 0 to 1 units.
        std: of R, G and B in 0 to 1 units.
    """
    scale = np.diag(1 / (255 * np.asarray(std, np.float64)))
    offset = -np.asarray(mean, np.float64) / np.asarray(std, np.float64)
    return np.concatenate([scale, offset[:, None]], axis=1).astype(np.float32)


def normalised(matrices: NDArray[np.float64], mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """Colour matrices with the normalisation after them: rgb / 255, minus mean, over std.

    Args:
        matrices: [n, 3, 4], from (R, G, B, 1) in 0 to 255 to R, G and B in 0 to 255.
        mean: of R, G and B in 0 to 1 units.
        std: of R, G and B in 0 to 1 units.

    Returns:
        float32 [n, 3, 4], to be applied to (R, G, B, 1) with R, G and B in 0 to 255.
    """
    affine = matrices / (255 * np.asarray(std, np.float64)[:, None])
    affine[:, :, 3] -= np.asarray(mean) / np.asarray(std)
    return affine.astype(np.float32)


def composed(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two affine maps of colour, one after the other, as one: [n, 3, 4] each."""
    both = second[:, :, :3] @ first
    both[:, :, 3] += second[:, :, 3]
    return both
