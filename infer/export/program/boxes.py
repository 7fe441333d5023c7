"""The arithmetic of boxes and of parts of photos."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Singles = NDArray[np.float32]
Integers = NDArray[np.int64]


def averages(table: NDArray[np.float64], corners: Integers, height: int, width: int) -> Singles:
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


def square(boxes: Singles) -> Singles:
    """Boxes grown to squares about their centres."""
    extent = boxes[:, 2:] - boxes[:, :2]
    side = extent.max(1, keepdims=True)
    corner = boxes[:, :2] + extent / 2 - side / 2
    return np.concatenate([corner, corner + side], 1)


def sides(boxes: Singles) -> Singles:
    """[n, 4] width, height, width, height, the pixels of both edges included."""
    return np.tile(boxes[:, 2:] - boxes[:, :2] + 1, 2)


def best_boxes(boxes: Singles, scores: Singles, limit: float, *, inside: bool = False) -> Integers:
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
