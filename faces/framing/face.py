"""The faces found in a photo, and which of them it is about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Pixels = NDArray[np.uint8]
"""RGB [height, width, 3]."""
GIVEN, AS_IS = "given", "as_is"
"""`Face.detector` of a face whose place the source gave, and of a photo that is a face crop already; nobody
searched them."""
Turn = Literal[0, 90, 180, 270]
"""Degrees, clockwise as seen, by which a face lies turned in its photo; 90: forehead on the right."""
TURNS: Final[tuple[Turn, ...]] = (0, 90, 180, 270)
BACK = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}


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
    turned: Turn = 0
    """How it lies in the photo; box and landmarks are those of the photo as it is."""

    def is_half(self, height: int, width: int) -> bool:
        """Whether its centre lies beyond the edge of its photo, of that height and width in pixels."""
        x, y = (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2
        return not (0 <= x <= width and 0 <= y <= height)

    def fits(self, height: int, width: int) -> bool:
        """Whether it can have been found in a photo of that height and width in pixels: it shows there, and
        reaches no farther beyond than the photo's longer side."""
        left, top, right, bottom = self.box
        shows = right > 0 and left < width and bottom > 0 and top < height
        side = max(height, width)
        return shows and min(left, top) >= -side and right <= width + side and bottom <= height + side

    def scaled(self, x: float, y: float) -> Face:
        """The face in a photo that is `x` times as wide and `y` times as high."""
        box = np.array(self.box).reshape(2, 2) * (x, y)
        landmarks = np.array(self.landmarks).reshape(5, 2) * (x, y)
        return replace(self, box=_tenths(box), landmarks=_tenths(landmarks))

    def turned_back(self, turn: Turn, height: int, width: int) -> Face:
        """The face, found in the photo after `turn_back`, in the photo itself.

        A photo 100 wide and 40 high, whose faces have their forehead on the right, is turned back to one 40
        wide and 100 high. What lies at (10, 20) there lies at (100 - 20, 10) = (80, 10) in the photo.

        Args:
            turn: by which the photo was turned back.
            height: of the photo, in pixels.
            width: of the photo, in pixels.
        """
        points = np.array((*self.box, *self.landmarks)).reshape(-1, 2)
        for _ in range(turn // 90):  # each a quarter clockwise, of a picture as high as the last was wide
            points = np.stack([-points[:, 1], points[:, 0]], 1)
        corner = {0: (0, 0), 90: (width, 0), 180: (width, height), 270: (0, height)}[turn]
        points = points + corner
        box = np.concatenate([points[:2].min(0), points[:2].max(0)])
        return replace(self, box=_tenths(box), landmarks=_tenths(points[2:]), turned=turn)


def _tenths(values: Floats) -> Any:
    return tuple(round(float(value), 1) for value in values.ravel())


def weigh_faces(
    boxes: Floats, scores: Floats, landmarks: Floats, height: int, width: int, *, every: bool = False
) -> tuple[Face, ...]:
    """The faces of a photo, first the one that it is about: large, central and certain.

    The largest product of area, centrality and score wins, and of equals the first. So a passer-by at the
    edge must be a few times larger to win: in a photo of 300 x 400, a box of 100 x 100 in the middle weighs
    10,000, one at (50, 50) of the same size 10,000 x (1 - (100^2 + 150^2) / 250^2) = 4,800.

    Args:
        boxes: [n, 4] left, top, right, bottom in pixels.
        scores: [n] probabilities.
        landmarks: [n, 5, 2] x, y in pixels.
        height: of the photo, in pixels.
        width: of the photo, in pixels.
        every: whether to return all that show in the photo, also half faces whose centre lies beyond its
            edge, which come last.

    Returns:
        Every one that shows; or the one, none where no box has its centre in the photo.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres <= (width, height))).all(1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    weight = np.where(inside, area * centrality(boxes, height, width) * scores, -1)
    shows = (area > 0) & ((boxes[:, 2:] > 0) & (boxes[:, :2] < (width, height))).all(1)
    order = np.argsort(-weight, kind="stable")
    order = order[shows[order]] if every else order[(shows & inside)[order]][:1]
    return tuple(
        Face(_tenths(boxes[one]), _tenths(landmarks[one]), round(float(scores[one]), 4), faces=len(boxes))
        for one in order
    )


def centrality(boxes: Floats, height: int, width: int) -> Floats:
    """How near the middle boxes lie, [n] of boxes [n, 4]: 1 - d^2, with d the distance of a box's centre from
    the photo's, in halves of the photo's diagonal; 1 in the middle, 0 in a corner."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distance = np.square(centres - (width / 2, height / 2)).sum(1)
    return np.asarray(1 - distance / ((width**2 + height**2) / 4))


def turn_back(pixels: Pixels, turn: Turn) -> Pixels:
    """A photo in which faces lie turned by `turn`, with them upright."""
    if not turn:
        return pixels
    # Of a photo ten times as fast as a contiguous copy of np.rot90.
    return np.asarray(cv2.rotate(pixels, BACK[turn]), np.uint8)


def reduce_photo(pixels: Pixels, longest: int) -> Pixels:
    """The photo shrunk so that its longest side is `longest` pixels; a smaller photo as it is."""
    height, width = pixels.shape[:2]
    if max(height, width) <= longest:
        return pixels
    ratio = longest / max(height, width)
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
