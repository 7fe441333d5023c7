"""What the cascade does on a CPU beside convolutions, compiled: PReLU with pooling, suppression.

torch and numpy have each of these, but as several passes through memory that is cleared anew for each: on one
core they took longer than the convolutions. The loops here are laid out for vector instructions: whole rows
first, then neighbouring columns, channels innermost.

Compiled code does not stop at the end of an array. Each loop therefore first compares the places and shapes
that it was given with the arrays that it reads and writes, and raises ValueError where they do not fit.

Compiled code is kept on disk, so that only the first process ever compiles (about 10 s).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

ZERO, ONE = np.float32(0), np.float32(1)


def compiled(function: Any) -> Any:
    """The function as machine code, kept on disk."""
    # Without the lock of the interpreter: the next photos are decoded meanwhile.
    return njit(nogil=True, cache=True, error_model="numpy")(function)


@compiled
def _repeated(slope, length):  # type: ignore[no-untyped-def]
    """float32 [length]: the slopes again and again, for a row of pixels."""
    slopes = np.empty(length, np.float32)
    for start in range(0, length, len(slope)):
        slopes[start : start + len(slope)] = slope
    return slopes


@compiled
def rectify(values, slope):  # type: ignore[no-untyped-def]
    """PReLU in place.

    Args:
        values: float32 [n, h, w, c].
        slope: float32 [c].

    Raises:
        ValueError: there is not one slope a channel.
    """
    count, height, width, channels = values.shape
    if len(slope) != channels:
        raise ValueError("there is not one slope a channel")
    rows = values.reshape(count * height, width * channels)
    slopes = _repeated(slope, width * channels)
    for i in range(len(rows)):
        row = rows[i]
        for k in range(len(slopes)):
            row[k] = max(row[k], ZERO) + slopes[k] * min(row[k], ZERO)


@compiled
def rectify_and_pool(values, slope, size, out):  # type: ignore[no-untyped-def]
    """PReLU, then the largest of every window of `size` x `size` pixels, of every second pixel; windows that
    stand out at the lower or right edge are cut off there.

    Args:
        values: float32 [n, h, w, c].
        slope: float32 [c].
        size: 2 or 3.
        out: float32 [n, ceil((h - size) / 2) + 1, ceil((w - size) / 2) + 1, c], written.

    Raises:
        ValueError: there is not one slope a channel, or `out` has another shape.
    """
    count, height, width, channels = values.shape
    if len(slope) != channels or not 2 <= size <= 3:
        raise ValueError("there is not one slope a channel, or windows are not of 2 or 3 pixels")
    if out.shape != (count, (height - size + 1) // 2 + 1, (width - size + 1) // 2 + 1, channels):
        raise ValueError("the shape is not that of the largest of every window")
    length = width * channels
    flat = values.reshape(count, height, length)
    slopes = _repeated(slope, length)
    line = np.empty(length, np.float32)
    for number in range(count):
        for i in range(out.shape[1]):
            top = flat[number, 2 * i]
            for k in range(length):
                line[k] = max(top[k], ZERO) + slopes[k] * min(top[k], ZERO)
            for y in range(2 * i + 1, min(2 * i + size, height)):
                row = flat[number, y]
                for k in range(length):
                    line[k] = max(line[k], max(row[k], ZERO) + slopes[k] * min(row[k], ZERO))
            for j in range(out.shape[2]):
                middle, last = min(2 * j + 1, width - 1), min(2 * j + size - 1, width - 1)
                one = line[2 * j * channels : (2 * j + 1) * channels]
                two = line[middle * channels : (middle + 1) * channels]
                three = line[last * channels : (last + 1) * channels]
                pixel = out[number, i, j]
                for c in range(channels):
                    pixel[c] = max(max(one[c], two[c]), three[c])


@compiled
def suppress(boxes, group, limit, inside):  # type: ignore[no-untyped-def]
    """Greedy non-maximum suppression.

    Args:
        boxes: float32 [n, 4] left, top, right, bottom; groups one after the other, each with its best first.
        group: int64 [n], which group.
        limit: float64; larger overlaps drop the later box.
        inside: whether overlap is the intersection over the smaller box, with sides of whole pixels (0 to 9
            is 10 long), and not over the union.

    Returns:
        bool [n], which boxes stay.

    Raises:
        ValueError: boxes and groups are not equally many, or boxes have not four edges.
    """
    if boxes.shape != (len(group), 4):
        raise ValueError("boxes and groups are not equally many, or boxes have not four edges")
    edge = ONE if inside else ZERO
    areas = (boxes[:, 2] - boxes[:, 0] + edge) * (boxes[:, 3] - boxes[:, 1] + edge)
    stays = np.ones(len(boxes), np.bool_)
    for i in range(len(boxes)):
        if not stays[i]:
            continue
        for k in range(i + 1, len(boxes)):
            if group[k] != group[i]:
                break
            width = min(boxes[i, 2], boxes[k, 2]) - max(boxes[i, 0], boxes[k, 0]) + edge
            height = min(boxes[i, 3], boxes[k, 3]) - max(boxes[i, 1], boxes[k, 1]) + edge
            common = max(width, ZERO) * max(height, ZERO)
            whole = min(areas[i], areas[k]) if inside else areas[i] + areas[k] - common
            if whole != ZERO and common / whole > limit:
                stays[k] = False
    return stays


Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


def best_of_each(
    boxes: Floats, scores: Floats, limit: float, group: Integers | None = None, *, inside: bool = False
) -> Integers:
    """Greedy non-maximum suppression: the best box is kept, those that overlap it are dropped, and so on.

    Args:
        boxes: [n, 4] left, top, right, bottom.
        scores: [n].
        limit: larger overlaps drop the box of the lower score; of equal ones the later, or the earlier if
            `inside`. It is compared in double precision, as torchvision does: 0.3 as float32 is over 0.3.
        group: [n] which group, at least 0, each by itself; one if not given.
        inside: whether overlap is measured by the smaller box, so that a box inside of another gives 1, and
            with sides of whole pixels, 0 to 9 being 10 long; otherwise it is intersection over union.

    Returns:
        [k] positions of the kept ones: groups in rising order, the best of each first.
    """
    # Certain faces often all score exactly 1; facenet-pytorch then keeps the last in the one case, the first
    # in the other.
    order = np.argsort(scores, kind="stable")[::-1] if inside else np.argsort(-scores, kind="stable")
    group = np.zeros(len(boxes), np.int64) if group is None else group
    order = order[np.argsort(group[order], kind="stable")]
    return np.asarray(order[suppress(boxes[order], group[order], float(limit), inside)])
