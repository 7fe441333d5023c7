"""Which photos may lie on a side or on their head, and how: what a search of every turn would cost is spent
on few."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from faces.framing.face import TURNS, Face, Turn, turn_back
from faces.framing.sideways import CLEAR, LOW, ROLL, face_picture, is_upright, roll, small_copy
from preprocess.detect.mtcnn.cascade import Cascade, Floats
from preprocess.sources.photo import Pixels


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
    small = {number: small_copy(photos[number]) for number, _ in views}
    shown = [np.ascontiguousarray(turn_back(small[number], turn)[:, ::-1]) for number, turn in views]
    return np.array([found.scores.max(initial=0) for found in cascade(shown, min_face=min_face)])


def _judge(
    photos: Sequence[Pixels],
    faces: Sequence[tuple[Face, ...]],
    views: list[tuple[int, Turn]],
    cascade: Cascade,
) -> Floats:
    """How much the first face's box, turned back, looks like a face, in the mirror too where it does."""
    boxes = [turn_back(face_picture(photos[number], faces[number][0]), turn) for number, turn in views]
    scores = cascade.face_scores(boxes)
    likely = np.flatnonzero(scores > [faces[number][0].score for number, _ in views])
    if len(likely):
        mirrored = cascade.face_scores([np.ascontiguousarray(boxes[view][:, ::-1]) for view in likely])
        scores[likely] = np.minimum(scores[likely], mirrored)
    return scores
