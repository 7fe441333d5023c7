"""What the cascade does on a CPU beside convolutions, compiled: averages, PReLU with pooling, suppression.

torch and numpy have each of these, but as several passes through memory that is cleared anew for each: on one
core they took longer than the convolutions. The loops here are laid out for vector instructions: whole rows
first, then neighbouring columns, channels innermost.

Compiled code is kept on disk, so that only the first process ever compiles (about 10 s).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, uint64
from numpy.typing import NDArray

ZERO, ONE = np.float32(0), np.float32(1)
NEXT, SECOND, THIRD, FOURTH, FIFTH = (uint64(step) for step in range(1, 6))
"""Steps to neighbours. Unsigned places need no test for one that counts from the end."""


def _compiled(function: Any) -> Any:
    # Without the lock of the interpreter: the next photos are decoded meanwhile.
    return njit(nogil=True, cache=True, error_model="numpy")(function)


@_compiled
def _sum(low, high, start, end):  # type: ignore[no-untyped-def]
    """Sum over a window; numba subtracts in 64 bits, and in 32 the sums that wrapped around wrap back."""
    return np.float32(np.int32(low[end] - low[start] - high[end] + high[start]))


@_compiled
def average(table, above, below, left, right, out):  # type: ignore[no-untyped-def]
    """Means over a grid of windows of one photo, over 128, from its summed-area table.

    Args:
        table: int32 [height + 1, width + 1, 3]; sums may have wrapped around.
        above: int64 [h], first row of each window.
        below: int64 [h], the row after its last.
        left: int64 [w], first column.
        right: int64 [w], the column after its last.
        out: float32 [h, w, 3], written.
    """
    rows = table.reshape(table.shape[0], 3 * table.shape[1])
    share = np.empty(len(left), np.float32)
    starts, ends = (3 * left).astype(np.uint64), (3 * right).astype(np.uint64)
    for i in range(len(above)):
        high, low = rows[above[i]], rows[below[i]]
        area = 128 * (below[i] - above[i])
        for j in range(len(left)):
            share[j] = ONE / np.float32(area * (right[j] - left[j]))
        row = out[i]
        for j in range(len(left)):
            a, b, s = starts[j], ends[j], share[j]
            row[j, 0] = _sum(low, high, a, b) * s
            row[j, 1] = _sum(low, high, a + NEXT, b + NEXT) * s
            row[j, 2] = _sum(low, high, a + SECOND, b + SECOND) * s


@_compiled
def average_parts(photos, photo, corners, out):  # type: ignore[no-untyped-def]
    """Parts of photos averaged to squares, over 128, without tables: those of many photos would not stay near
    the processor, and few pixels of them are read.

    Window i of the side's rows runs from top + floor(i height / side) to top + ceil((i + 1) height / side).

    Args:
        photos: uint8 [photos, height, width, 3].
        photo: int64 [n], which photo.
        corners: int64 [n, 4] left, top, right, bottom within the photo, not empty.
        out: float32 [n, side, side, 3], written.
    """
    side = out.shape[1]
    line = np.empty(3 * photos.shape[2], np.int32)
    sums = np.zeros(3 * photos.shape[2] + 3, np.int32)
    share = np.empty(side, np.float32)
    starts, ends = np.empty(side, np.uint64), np.empty(side, np.uint64)
    for number in range(len(photo)):
        left, top, right, bottom = corners[number]
        width, height = right - left, bottom - top
        for j in range(side):
            starts[j], ends[j] = uint64(3 * (j * width // side)), uint64(3 * -(-(j + 1) * width // side))
        rows = photos[photo[number]].reshape(photos.shape[1], 3 * photos.shape[2])
        for i in range(side):
            above, below = top + i * height // side, top - (-(i + 1) * height // side)
            first = rows[above, 3 * left : 3 * right]
            for k in range(3 * width):
                line[k] = first[k]
            for y in range(above + 1, below):
                row = rows[y, 3 * left : 3 * right]
                for k in range(3 * width):
                    line[k] += row[k]
            red, green, blue = np.int32(0), np.int32(0), np.int32(0)
            for k in range(uint64(0), uint64(3 * width), uint64(3)):
                red, green, blue = red + line[k], green + line[k + NEXT], blue + line[k + SECOND]
                sums[k + THIRD], sums[k + FOURTH], sums[k + FIFTH] = red, green, blue
            for j in range(side):
                columns = np.int64(ends[j] - starts[j]) // 3
                share[j] = ONE / np.float32(128 * (below - above) * columns)
            squares = out[number, i]
            for j in range(side):
                a, b, s = starts[j], ends[j], share[j]
                squares[j, 0] = np.float32(sums[b] - sums[a]) * s
                squares[j, 1] = np.float32(sums[b + NEXT] - sums[a + NEXT]) * s
                squares[j, 2] = np.float32(sums[b + SECOND] - sums[a + SECOND]) * s


@_compiled
def _repeated(slope, length):  # type: ignore[no-untyped-def]
    """float32 [length]: the slopes again and again, for a row of pixels."""
    slopes = np.empty(length, np.float32)
    for start in range(0, length, len(slope)):
        slopes[start : start + len(slope)] = slope
    return slopes


@_compiled
def rectify(values, slope):  # type: ignore[no-untyped-def]
    """PReLU in place.

    Args:
        values: float32 [n, h, w, c].
        slope: float32 [c].
    """
    count, height, width, channels = values.shape
    rows = values.reshape(count * height, width * channels)
    slopes = _repeated(slope, width * channels)
    for i in range(len(rows)):
        row = rows[i]
        for k in range(len(slopes)):
            row[k] = max(row[k], ZERO) + slopes[k] * min(row[k], ZERO)


@_compiled
def rectify_and_pool(values, slope, size, out):  # type: ignore[no-untyped-def]
    """PReLU, then the largest of every window of `size` x `size` pixels, of every second pixel; windows that
    stand out at the lower or right edge are cut off there.

    Args:
        values: float32 [n, h, w, c].
        slope: float32 [c].
        size: 2 or 3.
        out: float32 [n, ceil((h - size) / 2) + 1, ceil((w - size) / 2) + 1, c], written.
    """
    count, height, width, channels = values.shape
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


@_compiled
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
    """
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
