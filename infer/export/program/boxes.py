"""Faces of a photo, and the arithmetic of boxes and of parts of photos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Pixels = NDArray[np.uint8]
"""RGB [height, width, 3]."""
Box = tuple[float, float, float, float]


class Face(NamedTuple):
    """A face of a photo, in its pixels."""

    box: Box
    points: tuple[float, ...] = ()
    """x, y of left eye, right eye (as seen), nose, left and right corner of the mouth."""
    score: float = 1.0
    turned: int = 0
    """Degrees, clockwise, by which it lies turned in the photo: 0, 90, 180 or 270."""


def shrink(photo: Pixels, longest: int) -> Pixels:
    """A photo whose longest side has so many pixels; a smaller one as it is."""
    height, width = photo.shape[:2]
    ratio = longest / max(height, width)
    if ratio >= 1:
        return photo
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), np.uint8)


def averages(table: NDArray[np.float64], corners: Integers, height: int, width: int) -> Floats:
    """Parts of a photo at another size, each pixel the mean of what it covers, from about -1 to 1.

    Args:
        table: [height + 1, width + 1, 3] sums of all pixels above and to the left.
        corners: [n, 4] left, top, right, bottom in whole pixels.
        height: of the result.
        width: of the result.

    Returns:
        [n, 3, height, width].
    """
    above, below = windows(corners[:, 1], corners[:, 3], height)
    start, end = windows(corners[:, 0], corners[:, 2], width)
    above, below, start, end = above[:, :, None], below[:, :, None], start[:, None], end[:, None]
    sums = table[below, end] - table[above, end] - table[below, start] + table[above, start]
    means = sums / ((below - above) * (end - start))[..., None]
    return np.ascontiguousarray(((means - 127.5) / 128).transpose(0, 3, 1, 2), np.float32)


def windows(low: Integers, high: Integers, count: int) -> tuple[Integers, Integers]:
    """First and past-last pixel [n, count] of each window: 0 to 5 in two windows are 0 to 3 and 2 to 5."""
    steps, length, low = np.arange(count), (high - low)[:, None], low[:, None]
    return low + steps * length // count, low + ((steps + 1) * length + count - 1) // count


def square(boxes: Floats) -> Floats:
    """Boxes grown to squares about their centres."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = extent.max(1, keepdims=True)
    corner = boxes[:, :2] + extent / 2 - side / 2
    return np.concatenate([corner, corner + side], 1)


def sides(boxes: Floats) -> Floats:
    """[n, 4] width, height, width, height, the pixels of both edges included."""
    return np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def best_boxes(boxes: Floats, scores: Floats, limit: float, *, inside: bool = False) -> Integers:
    """Numbers of the boxes that stay, best first; each drops those that overlap it by more than `limit`.

    Args:
        boxes: [n, 4].
        scores: [n].
        limit: intersection over union, or, if `inside`, over the smaller box with its last pixels.
        inside: also, of equal scores the later box comes first.
    """
    order = np.argsort(scores, kind="stable")[::-1] if inside else np.argsort(-scores, kind="stable")
    edge, stay = float(inside), []
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + edge, axis=1)
    while len(order):
        best, order = order[0], order[1:]
        stay.append(best)
        low = np.maximum(boxes[best, :2], boxes[order, :2])
        high = np.minimum(boxes[best, 2:], boxes[order, 2:])
        common = np.prod(np.maximum(high - low + edge, 0), axis=1)
        whole = np.minimum(areas[best], areas[order]) if inside else areas[best] + areas[order] - common
        overlap = np.divide(common, whole, out=np.zeros_like(common), where=whole != 0)
        order = order[overlap.astype(np.float64) <= limit]
    return np.array(stay, np.int64)


def weigh_faces(
    boxes: Floats, scores: Floats, points: Floats, height: int, width: int, every: bool
) -> list[Face]:
    """The face that a photo is about, of the largest area times centrality times score; or `every` one that
    shows in it, that one first.

    Centrality is 1 - d^2, where d is the distance of the centres in halves of the photo's diagonal. A photo
    is about no face with its centre outside it.
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres >= 0) & (centres <= (width, height))).all(1)
    area = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1)
    distance = np.square(centres - (width / 2, height / 2)).sum(1) / ((width**2 + height**2) / 4)
    weight = np.where(inside, area * (1 - distance) * scores, 0)
    order = np.argsort(-weight, kind="stable")
    if every:
        seen = np.all((boxes[:, 2:] > 0) & (boxes[:, :2] < (width, height)), axis=1) & (area > 0)
        order = order[seen[order]]
    else:
        order = order[weight[order] > 0][:1]
    return [Face(tenths(boxes[one]), tenths(points[one]), round(float(scores[one]), 4)) for one in order]


def is_half(face: Face, height: int, width: int) -> bool:
    """Whether a face's centre lies beyond the edge of its photo."""
    x, y = (face.box[0] + face.box[2]) / 2, (face.box[1] + face.box[3]) / 2
    return not (0 <= x <= width and 0 <= y <= height)


def turned_back(face: Face, turn: int, height: int, width: int) -> Face:
    """A face that was found in a photo after quarter turns against the clock, in the photo itself.

    Args:
        face: in pixels of the turned photo.
        turn: degrees by which faces lie turned in the photo.
        height: of the photo.
        width: of the photo.
    """
    points = pairs((*face.box, *face.points))
    for _ in range(turn // 90):
        points = np.stack([-points[:, 1], points[:, 0]], 1)
    points = points + {90: (width, 0), 180: (width, height), 270: (0, height)}[turn]
    box = np.concatenate([points[:2].min(0), points[:2].max(0)])
    return Face(tenths(box), tenths(points[2:]), face.score, turn)


def roll(face: Face) -> float:
    """Degrees, clockwise, by which the landmarks of a face are turned, from -180 to 180."""
    points = pairs(face.points)
    across, up = points[:2].mean(0) - points[3:].mean(0)
    return math.degrees(math.atan2(across, -up))


def pairs(values: Sequence[float]) -> NDArray[np.float64]:
    """x and y [n, 2] of numbers that follow each other."""
    return np.array(values, np.float64).reshape(-1, 2)


def tenths(values: Any) -> Any:
    """Numbers rounded to a tenth of a pixel, one after the other."""
    return tuple(round(float(value), 1) for value in np.ravel(values))
