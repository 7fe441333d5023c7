"""Whether a face lies upright in its photo, and what is looked at to tell."""

from __future__ import annotations

import math

import cv2
import numpy as np

from faces.framing.face import Face, Pixels, reduce_photo

LOW, CLEAR, SURE = 0.8, 0.95, 0.99
"""Scores below which a face may be none; from which it does not lie on a side; and from which it is upright
without another look.

Of 231 photos (real masks, portraits, groups) none is turned that is upright; of the same photos turned by 90,
180 and 270 degrees 85, 81 and 82 % are righted. With LOW .85 they are 87, 82 and 84 %, with .9 and all turns
judged below SURE 90, 84 and 90 %, at one and a half times the cost.
"""
ROLL = 45
"""Degrees by which landmarks may be turned for a face to count as upright."""
SMALL = 320
"""Longest side, in pixels, of the copy in which the other turns are looked at: a quarter to a third of a
search's cost, for one turned photo of a hundred less."""
SIDE = 48
"""Pixels a side of the pictures that MTCNN's last network looks at."""


def is_upright(face: Face) -> bool:
    """Whether a face is taken to be upright without another look."""
    return face.score >= SURE and abs(roll(face)) <= ROLL


def roll(face: Face) -> float:
    """Degrees, clockwise as seen, by which the landmarks of a face are turned, -180 to 180: the direction
    from the mouth to the eyes, against straight up."""
    points = np.reshape(face.landmarks, (5, 2))
    across, up = points[:2].mean(0) - points[3:].mean(0)
    return math.degrees(math.atan2(across, -up))


def small_copy(photo: Pixels) -> Pixels:
    """A small copy in the corner of a black square, so that turned copies are of one size."""
    copy = reduce_photo(photo, SMALL)
    height, width = copy.shape[:2]
    square = np.zeros((max(height, width), max(height, width), 3), np.uint8)
    square[:height, :width] = copy
    return square


def face_picture(photo: Pixels, face: Face) -> Pixels:
    """The square around a face's box with a tenth of it added on every side, as far as it lies in the photo,
    at the last network's size: boxes of faces that lie sideways are too small."""
    left, top, right, bottom = face.box
    reach = 1.2 * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(round(middle - reach), 0), max(round(middle + reach), 1)) for middle in (y, x))
    return np.asarray(cv2.resize(photo[rows, columns], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
