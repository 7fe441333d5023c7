"""Area averages on a CPU, compiled as `kernels` are: the levels of a photo's pyramid, and parts of photos."""

from __future__ import annotations

import numpy as np
from numba import uint64

from preprocess.detect.mtcnn.kernels import ONE, compiled

NEXT, SECOND, THIRD, FOURTH, FIFTH = (uint64(step) for step in range(1, 6))
"""Steps to neighbours. Unsigned places need no test for one that counts from the end."""


@compiled
def _sum(low, high, start, end):  # type: ignore[no-untyped-def]
    """Sum over a window; numba subtracts in 64 bits, and in 32 the sums that wrapped around wrap back."""
    return np.float32(np.int32(low[end] - low[start] - high[end] + high[start]))


@compiled
def _inside(low, high, length):  # type: ignore[no-untyped-def]
    """Whether every window from low[i] to the one before high[i] has a pixel and lies in 0 to length - 1."""
    if len(low) != len(high):
        return False
    inside = True
    for i in range(len(low)):
        inside &= 0 <= low[i] < high[i] <= length
    return inside


@compiled
def average(table, above, below, left, right, out):  # type: ignore[no-untyped-def]
    """Means over a grid of windows of one photo, over 128, from its summed-area table.

    Args:
        table: int32 [height + 1, width + 1, 3]; sums may have wrapped around.
        above: int64 [h], first row of each window.
        below: int64 [h], the row after its last.
        left: int64 [w], first column.
        right: int64 [w], the column after its last.
        out: float32 [h, w, 3], written.

    Raises:
        ValueError: a window is empty or not within the photo, or `out` has another shape.
    """
    if not (_inside(above, below, table.shape[0] - 1) and _inside(left, right, table.shape[1] - 1)):
        raise ValueError("windows are empty or reach beyond the photo")
    if table.shape[2] != 3 or out.shape != (len(above), len(left), 3):
        raise ValueError("the averages' shape is not that of the windows")
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


@compiled
def average_parts(photos, photo, corners, out):  # type: ignore[no-untyped-def]
    """Parts of photos averaged to squares, over 128, without tables: those of many photos would not stay near
    the processor, and few pixels of them are read.

    Window i of the side's rows runs from top + floor(i height / side) to top + ceil((i + 1) height / side).

    Args:
        photos: uint8 [photos, height, width, 3].
        photo: int64 [n], which photo.
        corners: int64 [n, 4] left, top, right, bottom within the photo, not empty.
        out: float32 [n, side, side, 3], written.

    Raises:
        ValueError: there is no such photo, a part is empty or not within it, or `out` has another shape.
    """
    side, count = out.shape[1], len(photo)
    if photos.shape[3] != 3 or corners.shape != (count, 4) or out.shape != (count, side, side, 3):
        raise ValueError("the averages' shape is not that of the parts")
    wide = _inside(corners[:, 0], corners[:, 2], photos.shape[2])
    high = _inside(corners[:, 1], corners[:, 3], photos.shape[1])
    if not (wide and high and _inside(photo, photo + 1, photos.shape[0])):
        raise ValueError("parts are empty or reach beyond the photo")
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
