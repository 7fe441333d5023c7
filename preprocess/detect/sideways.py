"""Which photos may lie on a side or on their head, and how: what a search of every turn would cost is spent
on few."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import cv2
import numpy as np

from preprocess.detect.face import TURNS, Face, Turn, reduce_photo, turn_back
from preprocess.detect.mtcnn.cascade import Cascade, Floats
from preprocess.sources.photo import Pixels

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


def turns_to_search(
    photos: Sequence[Pixels], faces: Sequence[tuple[Face, ...]], cascade: Cascade, min_face: int
) -> Mapping[int, Turn]:
    """The turn in which photos are to be searched again, by their number.

    A photo without a face, with half ones alone, with one below `LOW`, or with landmarks that lie on a side
    is looked at in all three turns, in a small copy. Of other faces that are not sure the last network judges
    the box on its head, and of those below `CLEAR` on its sides. What it sees, and the copies, are mirrored:
    a mask upside down may pass for a face, but hardly in the mirror and in the photo.

    Args:
        photos: uint8 RGB [height, width, 3], all of one size.
        faces: found in each, the one it is about first.
        cascade: MTCNN.
        min_face: smallest face, in pixels of the small copies.
    """
    looked: list[tuple[int, Turn]] = []
    judged: list[tuple[int, Turn]] = []
    scores: dict[int, float] = {}
    for number, found in enumerate(faces):
        half = not found or found[0].is_half(*photos[number].shape[:2])
        scores[number] = 0.0 if half else found[0].score
        if half or scores[number] < LOW or abs(roll(found[0])) > ROLL:
            looked += [(number, turn) for turn in TURNS[1:]]
        elif not is_upright(found[0]):
            judged += [(number, turn) for turn in (TURNS[1:] if scores[number] < CLEAR else (180,))]
    return {
        **_best(looked, scores, lambda views: _look(photos, views, cascade, min_face)),
        **_best(judged, scores, lambda views: _judge(photos, faces, views, cascade)),
    }


def _best(
    views: list[tuple[int, Turn]],
    scores: Mapping[int, float],
    see: Callable[[list[tuple[int, Turn]]], Floats],
) -> dict[int, Turn]:
    """The turn of each photo in which it looks most like a face, where more so than as it is."""
    best: dict[int, tuple[float, Turn]] = {}
    for (number, turn), score in zip(views, see(views).tolist() if views else (), strict=True):
        if score > best.get(number, (scores[number], 0))[0]:
            best[number] = score, turn
    return {number: turn for number, (_, turn) in best.items()}


def _look(photos: Sequence[Pixels], views: list[tuple[int, Turn]], cascade: Cascade, min_face: int) -> Floats:
    """The best score of a face in small copies of photos, turned back and mirrored."""
    small = {number: _small(photos[number]) for number, _ in views}
    shown = [np.ascontiguousarray(turn_back(small[number], turn)[:, ::-1]) for number, turn in views]
    return np.array([found.scores.max(initial=0) for found in cascade(shown, min_face=min_face)])


def _judge(
    photos: Sequence[Pixels],
    faces: Sequence[tuple[Face, ...]],
    views: list[tuple[int, Turn]],
    cascade: Cascade,
) -> Floats:
    """How much the first face's box, turned back, looks like a face, in the mirror too where it does."""
    boxes = [turn_back(_box(photos[number], faces[number][0]), turn) for number, turn in views]
    scores = cascade.face_scores(boxes)
    likely = np.flatnonzero(scores > [faces[number][0].score for number, _ in views])
    if len(likely):
        mirrored = cascade.face_scores([np.ascontiguousarray(boxes[view][:, ::-1]) for view in likely])
        scores[likely] = np.minimum(scores[likely], mirrored)
    return scores


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
    """The square around a face's box with a tenth of it added on every side, as far as it lies in the photo,
    at the last network's size: boxes of faces that lie sideways are too small."""
    left, top, right, bottom = face.box
    reach = 1.2 * max(right - left, bottom - top) / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(round(middle - reach), 0), max(round(middle + reach), 1)) for middle in (y, x))
    return np.asarray(cv2.resize(photo[rows, columns], (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
