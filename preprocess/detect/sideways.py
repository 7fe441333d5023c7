"""Which photos may lie on a side or on their head, and how: what a search of every turn would cost is spent
on few."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from preprocess.detect.face import TURNS, Face, Turn, turn_back
from preprocess.detect.mtcnn.cascade import Cascade
from preprocess.sources.photo import Pixels

SURE = 0.99
"""Score from which a face is taken to be upright without another look. Of 231 photos (real masks, portraits,
groups) one that is upright is turned, in which no face is found without; of the same photos turned by 90, 180
and 270 degrees 91, 88 and 87 % are righted, with 0.95 in place of it 87, 70 and 83 %."""
LIKELY = 0.5
"""Least score of a turned face that is worth a search of the whole photo."""
ROLL = 45
"""Degrees by which landmarks may be turned for a face to count as upright."""
SIDE = 48
"""Pixels a side of the pictures that MTCNN's last network looks at."""


def turns_to_search(
    photos: Sequence[Pixels], faces: Sequence[tuple[Face, ...]], cascade: Cascade
) -> Mapping[int, tuple[Turn, ...]]:
    """Turns in which photos are to be searched again, by their number.

    All three where no face was found, or where the landmarks of the first face lie on a side. Of a face that
    is not certain the last network looks at the four turns of its box, which costs a hundredth of a search;
    where another turn looks more like a face, it is that one.

    Args:
        photos: uint8 RGB [height, width, 3], all of one size.
        faces: found in each, the one it is about first.
        cascade: MTCNN.
    """
    wanted: dict[int, tuple[Turn, ...]] = {}
    unsure = []
    for number, found in enumerate(faces):
        if not found or abs(roll(found[0])) > ROLL:
            wanted[number] = TURNS[1:]
        elif found[0].score < SURE:
            unsure.append(number)
    if not unsure:
        return wanted
    views = [turn_back(_box(photos[n], faces[n][0]), turn) for n in unsure for turn in TURNS]
    for number, scores in zip(unsure, cascade.face_scores(views).reshape(-1, 4), strict=True):
        best = int(scores.argmax())
        if best and scores[best] > LIKELY:
            wanted[number] = (TURNS[best],)
    return wanted


def roll(face: Face) -> float:
    """Degrees, clockwise as seen, by which the landmarks of a face are turned, -180 to 180: the direction
    from the mouth to the eyes, against straight up."""
    points = np.reshape(face.landmarks, (5, 2))
    across, up = points[:2].mean(0) - points[3:].mean(0)
    return math.degrees(math.atan2(across, -up))


def _box(photo: Pixels, face: Face) -> Pixels:
    """The square around a face's box, as far as it lies in the photo, at the last network's size."""
    left, top, right, bottom = face.box
    reach = max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(round(middle - reach), 0), max(round(middle + reach), 1)) for middle in (y, x))
    return np.asarray(cv2.resize(photo[rows, columns], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
