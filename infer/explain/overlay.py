"""A map on its crop, for people to look at."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

GLOW = (255.0, 96.0, 0.0)
"""Colour of a map: orange shows on skin, hair and masks alike."""
STRENGTH = 0.7
"""Share of the colour where a map is 1."""
DIMMED = 0.55
"""Share that is left of the crop's brightness where a map is 0."""


def lit(crop: ArrayLike, strength: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The crop, dimmed, with its bright places where the map is.

    Args:
        crop: RGB [H, W, 3], 0 to 255.
        strength: [H, W] in 0 to 1, of `infer.explain.maps`.

    Returns:
        uint8 [H, W, 3].
    """
    shown = np.asarray(crop, np.float64) * (DIMMED + (1 - DIMMED) * strength[..., None])
    share = STRENGTH * strength[..., None] ** 1.5  # the face stays to be seen below a wide map
    return np.asarray(np.round(shown * (1 - share) + np.array(GLOW) * share), np.uint8)
