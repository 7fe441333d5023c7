"""Which of the faces found in a photo it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.sources.photo import Pixels

Floats = NDArray[np.floating]
GIVEN: Final = "given"
"""`Face.detector` of a face whose place the source gave; nobody searched it."""


@dataclass(frozen=True)
class Face:
    """A detected face. Coordinates are pixels, x to the right and y down from the photo's upper left corner,
    rounded to a tenth: what is below is rounding noise of the networks."""

    box: tuple[float, float, float, float]
    """Left, top, right, bottom; may reach beyond the photo."""
    landmarks: tuple[float, ...]
    """x, y of left eye, right eye (as seen), nose, left and right corner of the mouth; () where not known."""
    score: float
    """The detector's probability, 0 to 1."""
    faces: int = 1
    """How many faces were found in the photo, of which this is the one that the photo is about."""
    detector: str = ""
    """The step of the search that found it."""

    def scaled(self, x: float, y: float) -> Face:
        """The face in a photo that is `x` times as wide and `y` times as high."""
        box = np.array(self.box).reshape(2, 2) * (x, y)
        landmarks = np.array(self.landmarks).reshape(5, 2) * (x, y)
        return replace(self, box=_tenths(box), landmarks=_tenths(landmarks))


def _tenths(values: Floats) -> Any:
    return tuple(round(float(value), 1) for value in values.ravel())


def choose_face(boxes: Floats, scores: Floats, landmarks: Floats, height: int, width: int) -> Face | None:
    """The face that the photo is about: large, central and certain.

    The largest product of area, centrality and score wins, and of equals the first. Centrality is
    1 - d^2, with d the distance of the box's centre from the photo's, in halves of the photo's diagonal: 1 in
    the middle, 0 in a corner. So a passer-by at the edge must be a few times larger to win: in a photo of
    300 x 400, a box of 100 x 100 in the middle weighs 10,000, one at (50, 50) of the same size
    10,000 x (1 - (100^2 + 150^2) / 250^2) = 4,800.

    Args:
        boxes: [n, 4] left, top, right, bottom in pixels.
        scores: [n] probabilities.
        landmarks: [n, 5, 2] x, y in pixels.
        height: of the photo, in pixels.
        width: of the photo, in pixels.

    Returns:
        None where no box has its centre in the photo.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres <= (width, height))).all(1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    distance = np.square(centres - (width / 2, height / 2)).sum(1) / ((width**2 + height**2) / 4)
    weight = np.where(inside, area * (1 - distance) * scores, 0)
    if not (weight > 0).any():
        return None
    best = int(weight.argmax())
    score = round(float(scores[best]), 4)
    return Face(_tenths(boxes[best]), _tenths(landmarks[best]), score, faces=len(boxes))


def reduce_photo(pixels: Pixels, longest: int) -> Pixels:
    """The photo shrunk so that its longest side is `longest` pixels; a smaller photo as it is."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    ratio = longest / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
