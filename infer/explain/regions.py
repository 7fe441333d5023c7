"""What of a crop is face, hair, collar, wall: by the box of the face, and by the matte where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

REGIONS: Final = ("face", "hair and ears", "below the chin", "beside and above")
"""In the order of their masks: the ellipse in the face's box; about it the ellipse of the head, above the
chin; what is lower than the box; all the rest, mostly wall."""
HEAD: Final = (1.4, 1.5)
"""Width and height of the head's ellipse, in those of the face's box."""
RAISED: Final = 0.12
"""How far the middle of the head's ellipse lies above that of the box, in heights of the box."""
GREY: Final = 128
"""What is painted in the place of a background."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def box_in_crop(face: Sequence[float], crop: Sequence[float], size: int) -> Box:
    """The face's box in pixels of a crop of `size` pixels.

    Args:
        face: left, top, right, bottom in pixels of the photo.
        crop: of the square that was cut, which lies upright.
        size: of the stored crop.
    """
    scale = size / (crop[2] - crop[0])
    left, top, right, bottom = (
        float((edge - start) * scale) for edge, start in zip(face, (*crop[:2], *crop[:2]), strict=True)
    )
    return left, top, right, bottom


def regions_of(box: Box, size: int) -> NDArray[np.bool_]:
    """[4, size, size] masks of `REGIONS`, which cover the crop without overlap.

    Args:
        box: of the face, in pixels of the crop.
        size: of the crop.
    """
    left, top, right, bottom = box
    middle, width, height = ((left + right) / 2, (top + bottom) / 2), right - left, bottom - top
    face = _ellipse(middle, width, height, size)
    head = _ellipse((middle[0], middle[1] - RAISED * height), HEAD[0] * width, HEAD[1] * height, size)
    low = np.broadcast_to((np.arange(size) + 0.5 > bottom)[:, None], (size, size))
    hair = head & ~face & ~low
    below = low & ~face
    return np.stack([face, hair, below, ~(face | hair | below)])


def person_of(regions: NDArray[np.bool_], crop: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """[size, size] what stays where the background is removed: the matte's person, else face and hair.

    Args:
        regions: of `regions_of`.
        crop: uint8 [size, size, 3 or 4]; a fourth channel is a matte, 0 to 255.
    """
    return np.asarray(crop[..., 3] > 127 if crop.shape[2] == 4 else regions[:2].any(0))


def _ellipse(middle: tuple[float, float], width: float, height: float, size: int) -> NDArray[np.bool_]:
    places = np.arange(size) + 0.5
    across, down = (places - middle[0]) / (width / 2), (places - middle[1]) / (height / 2)
    return np.asarray(across**2 + down[:, None] ** 2 <= 1)
