"""Squares that turn with a face, and how much of a square shows the photo."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from faces.framing.face import Turn
from faces.framing.square import Square, face_square

TEMPLATE = np.array([-0.181 - 0.072j, 0.181 - 0.072j, 0.144j, -0.169 + 0.290j, 0.169 + 0.290j])
"""Where an aligned face has its eyes, nose and corners of the mouth: x + iy from the crop's centre, in longer
sides of the face box. Medians over the detected faces of 300 portraits, made symmetric, so that aligned
crops show as much of a head as others: fitted to those faces, their side is 0.995 times that of the
unaligned crop in the median (0.80 to 1.13), and their centre lies 0.04 sides of the box away."""
LEAST_ALIGNED = 0.5
"""Landmarks that fit a face smaller than this part of its box are not taken for a face's."""


def aligned_square(
    box: tuple[float, float, float, float], landmarks: tuple[float, ...], margin: float, turned: Turn = 0
) -> Square:
    """The square crop in which the landmarks of a face come to lie on `TEMPLATE`.

    The similarity (shift, turn, scale; never a mirror image) of least squares from the template to the
    photo (Umeyama 1991), which in the plane is a linear regression of complex numbers. Rounded to a tenth of
    a pixel and a hundredth of a degree, so that what is recorded is what was cut.

    Args:
        box: of the face; its square is taken where the landmarks do not look like a face, as when all are one
            point.
        landmarks: x, y of left eye, right eye (as seen), nose, left and right corner of the mouth.
        margin: as in `face_square`.
        turned: how the face lies, for where its landmarks are not taken.
    """
    points = np.array(landmarks).reshape(5, 2) @ np.array([1, 1j])
    spread = TEMPLATE - TEMPLATE.mean()
    turn = complex((spread.conj() * (points - points.mean())).sum() / (np.abs(spread) ** 2).sum())
    if not abs(turn) >= LEAST_ALIGNED * max(box[2] - box[0], box[3] - box[1]):
        return face_square(box, margin, turned)
    centre = complex(points.mean()) - turn * complex(TEMPLATE.mean())
    side = round(abs(turn) * (1 + 2 * margin), 1)
    angle = round(math.degrees(math.atan2(turn.imag, turn.real)), 2)
    return Square(round(centre.real - side / 2, 1), round(centre.imag - side / 2, 1), side, angle)


def true_share(square: Square, height: int, width: int) -> float:
    """How much of a square shows the photo and not what is put beyond its edge, 0 to 1.

    Exact where the square lies upright or turned by quarters; else of 128 x 128 points in it.
    """
    if square.angle % 90:
        return float((distances_outside(square, 128, height, width) == 0).mean())
    left, top, right, bottom = square.box
    across, down = min(right, width) - max(left, 0), min(bottom, height) - max(top, 0)
    return max(across, 0) * max(down, 0) / square.side**2


def distances_outside(square: Square, size: int, height: int, width: int) -> NDArray[np.float64]:
    """How far each pixel of a crop lies beyond the photo, in sides of the crop: [size, size]."""
    quarters, rest = divmod(square.angle, 90)
    along = (np.arange(size) + 0.5) / size - 0.5
    turn = square.side * complex(math.cos(math.radians(rest)), math.sin(math.radians(rest)))
    place = complex(*square.centre) + turn * (along + 1j * along[:, None])
    x = np.maximum(np.maximum(-place.real, place.real - width), 0)
    y = np.maximum(np.maximum(-place.imag, place.imag - height), 0)
    return np.asarray(np.rot90(np.hypot(x, y), int(quarters)) / square.side)
