"""Which photos may lie on a side or on their head, and how: what a search of every turn would cost is spent
on few."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from preprocess.detect.face import TURNS, Face, Turn, reduce_photo, turn_back
from preprocess.detect.mtcnn.cascade import Cascade
from preprocess.sources.photo import Pixels

CLEAR, SURE = 0.95, 0.99
"""Score below which a face may be none, and a photo is looked at in the other three turns; and score from
which a face is upright without another look. Between them it may be on its head.

Of 231 photos (real masks, portraits, groups) none is turned that is upright; of the same photos turned by 90,
180 and 270 degrees 89, 90 and 87 % are righted. Without CLEAR they were 65, 85 and 54 %, without SURE 89, 72
and 87 %, and with all turns judged below SURE 94, 90 and 92 %, at three times the looks."""
ROLL = 45
"""Degrees by which landmarks may be turned for a face to count as upright."""
SMALL = 320
"""Longest side, in pixels, of the copy in which the other turns are looked at: a quarter to a third of a
search's cost, for one turned photo of a hundred less."""
SIDE = 48
"""Pixels a side of the pictures that MTCNN's last network looks at."""


def turns_to_search(
    photos: Sequence[Pixels], faces: Sequence[tuple[Face, ...]], cascade: Cascade, min_face: int
) -> Mapping[int, Turn]:
    """The turn in which photos are to be searched again, by their number.

    Looked at in all three turns are those without a face or with half ones alone, with one below `CLEAR`, and
    with landmarks that lie on a side; of those below `SURE` the last network judges the face's box on its
    head, and the photo is looked at so where that looks more like a face. Where a small copy shows a face,
    the photo is searched.

    Args:
        photos: uint8 RGB [height, width, 3], all of one size.
        faces: found in each, the one it is about first.
        cascade: MTCNN.
        min_face: smallest face, in pixels of the small copies.
    """
    views: list[tuple[int, Turn]] = []
    unsure = []
    for number, found in enumerate(faces):
        half = bool(found) and found[0].is_half(*photos[number].shape[:2])
        if not found or half or found[0].score < CLEAR or abs(roll(found[0])) > ROLL:
            views += [(number, turn) for turn in TURNS[1:]]
        elif found[0].score < SURE:
            unsure.append(number)
    if unsure:
        heads = cascade.face_scores([turn_back(_box(photos[n], faces[n][0]), 180) for n in unsure])
        views += [(n, 180) for n, score in zip(unsure, heads, strict=True) if score > faces[n][0].score]
    if not views:
        return {}
    small = {number: _small(photos[number]) for number, _ in views}
    found_in = cascade([turn_back(small[number], turn) for number, turn in views], min_face=min_face)
    scores = [float(found.scores.max(initial=0)) for found in found_in]
    best: dict[int, tuple[float, Turn]] = {}
    for (number, turn), score in zip(views, scores, strict=True):
        if score > best.get(number, (0.0, 0))[0]:
            best[number] = score, turn
    return {number: turn for number, (_, turn) in best.items()}


def roll(face: Face) -> float:
    """Degrees, clockwise as seen, by which the landmarks of a face are turned, -180 to 180: the direction
    from the mouth to the eyes, against straight up."""
    points = np.reshape(face.landmarks, (5, 2))
    across, up = points[:2].mean(0) - points[3:].mean(0)
    return math.degrees(math.atan2(across, -up))


def _small(photo: Pixels) -> Pixels:
    """A small copy in the corner of a black square, so that turned copies are of one size."""
    copy = reduce_photo(photo, SMALL)
    height, width = copy.shape[:2]
    square = np.zeros((max(height, width), max(height, width), 3), np.uint8)
    square[:height, :width] = copy
    return square


def _box(photo: Pixels, face: Face) -> Pixels:
    """The square around a face's box, as far as it lies in the photo, at the last network's size."""
    left, top, right, bottom = face.box
    reach = max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(round(middle - reach), 0), max(round(middle + reach), 1)) for middle in (y, x))
    return np.asarray(cv2.resize(photo[rows, columns], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
