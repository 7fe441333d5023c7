"""Which square of a photo is cut: around a face, or where none is known."""

from __future__ import annotations

import math
from typing import NamedTuple

from faces.framing.face import Turn

RISE = 0.05
"""How far a crop's centre lies above the face box's, in sides of the box: the box leaves out the hair."""
CENTRE_SIDE, CENTRE_HEIGHT = 0.9, 0.45
"""Side of the crop without a detected face, as a part of the photo's shorter side, and height of its centre
as a part of the photo's, from the top."""


class Square(NamedTuple):
    """A square of a photo, in its pixels; may reach beyond it."""

    left: float
    """Place of its left edge before it is turned."""
    top: float
    """Place of its upper edge before it is turned."""
    side: float
    angle: float = 0.0
    """Degrees by which it is turned about its centre, clockwise as seen: that of the eyes' line, x to the
    right and y down."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom before it is turned."""
        left, top, side = float(self.left), float(self.top), float(self.side)
        return left, top, left + side, top + side

    @property
    def centre(self) -> tuple[float, float]:
        """x, y."""
        return self.left + self.side / 2, self.top + self.side / 2


def face_square(
    box: tuple[float, float, float, float],
    margin: float,
    turned: Turn = 0,
    photo: tuple[int, int] | None = None,
) -> Square:
    """The square crop around a face that lies upright, or turned by quarters.

    Its side is that of the box's longer side with `margin` of it added at both ends; its centre is the
    box's, `RISE` nearer the forehead. Whole pixels, so that an unscaled crop is a copy. The box
    (100, 80, 180, 180) with margin 0.25 gives side 150 around (140, 125): left 65, top 50.

    Clamped to a photo it is no larger than the photo's shorter side, and shifted into it; where it shrinks,
    the face stays whole as long as it fits. In a photo of 500 x 160 (height x width) that square is shifted
    to left 10; in one of 190 x 500 to top 40.

    Args:
        box: of the face, left, top, right, bottom in pixels of the photo.
        margin: in sides of the box.
        turned: how the face lies in the photo, in degrees clockwise.
        photo: height and width, in pixels, of the photo that the square is clamped to; None for no clamping.
    """
    left, top, right, bottom = _turned_back(box, turned)
    longer = max(right - left, bottom - top)
    side = max(1, _whole(longer * (1 + 2 * margin)))
    rise = RISE * longer
    if photo and side > min(photo):
        side = min(photo)
        rise = min(rise, max(side - longer, 0) / 2)
    x: float = _whole((left + right - side) / 2)
    y: float = _whole((top + bottom - side) / 2 - rise)
    if photo:
        first_x, first_y, last_x, last_y = _turned_back((0, 0, photo[1], photo[0]), turned)
        x, y = min(max(x, first_x), last_x - side), min(max(y, first_y), last_y - side)
    left, top, _, _ = _turned_back((x, y, x + side, y + side), -turned)
    return Square(left, top, side, turned)


def _turned_back(box: tuple[float, float, float, float], turned: int) -> tuple[float, float, float, float]:
    """A box after so many degrees counter-clockwise, by quarters, about the corner (0, 0)."""
    for _ in range(turned // 90 % 4):
        left, top, right, bottom = box
        box = (top, -right, bottom, -left)
    return box


def _whole(value: float) -> int:
    """The nearest whole number, of two the larger: unlike `round`, the same wherever the photo begins, so
    that a photo and its turned copy give the same crop."""
    return math.floor(round(value, 3) + 0.5)


def centre_square(height: int, width: int) -> Square:
    """The crop where no face was found, inside the photo and about as large as crops of found faces.

    Measured on portraits of 384 x 512, the median crop of a detected face has a side of 1.02 widths around
    (0.50, 0.44) of the photo where the face fills it (2,027 photos), and 0.81 around (0.50, 0.47) where it
    does not (168 drawn people). Between them lies, for 384 x 512, side 346 at left 19, top 57.
    """
    side = max(1, round(CENTRE_SIDE * min(height, width)))
    top = round(CENTRE_HEIGHT * height - side / 2)
    return Square(round((width - side) / 2), min(max(top, 0), height - side), side)


def whole_square(height: int, width: int) -> Square:
    """The largest square in the middle: the crop of a photo that is a face crop already."""
    side = min(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)
