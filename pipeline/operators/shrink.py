"""One DALI operator for an antialiased resize on the CPU, with the arithmetic of PIL's and torchvision's.

DALI's own takes about four times as long, and repeats border pixels where PIL leaves them out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, njit, uint64
from numpy.typing import NDArray
from nvidia.dali import fn, types
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

from pipeline.operators.compiled import (
    FUSED,
    RUN,
    SETUP,
    address_of,
    compiled_operator,
    is_shape,
    shape_of,
    wipe,
)
from pipeline.operators.triangle import centres_of, reach_of, triangle

_HALF = np.float32(0.5)


def triangle_weights(
    source: int, size: int, first: int, count: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Which pixels of a line make up those of a resized one, and with what weight: PIL's bilinear filter.

    Those of the triangle (pipeline/operators/triangle.py) that lie on the line, scaled to a sum of 1. From 4
    to 2 pixels the first is (3, 3, 1, 0) / 7.

    Args:
        source: pixels of the line.
        size: pixels of the whole resized line.
        first: the first of them that is wanted.
        count: how many are.

    Returns:
        The first source pixel of each, int32 [count], and weights from there on, float32 [count, taps].
    """
    reach, centres = reach_of(source, size), centres_of(source, size, first, count)
    starts = np.maximum(np.floor(centres - reach + 0.5), 0)
    ends = np.minimum(np.floor(centres + reach + 0.5), source)
    taps = int((ends - starts).max())
    starts = np.minimum(starts, source - taps).astype(np.int32)
    weights = triangle(starts[:, None] + np.arange(taps), centres, reach)
    return starts, (weights / weights.sum(1, keepdims=True)).astype(np.float32)


@njit(fastmath=FUSED)
def _down(pixels, first, weights, line):  # type: ignore[no-untyped-def]
    """A weighted sum of rows: uint8 [height, n], from row `first` on, into float32 [n]."""
    line[:] = 0
    for t in range(len(weights)):
        row, weight = pixels[first + t], weights[t]
        for k in range(len(line)):
            line[k] += weight * np.float32(row[k])


@njit(fastmath=FUSED)
def _across(line, first, weights, out):  # type: ignore[no-untyped-def]
    """Weighted sums within a row of RGB: float32 [3 n], into uint8 [size, 3], rounded."""
    for j in range(len(out)):
        red, green, blue = _HALF, _HALF, _HALF
        place = uint64(3 * first[j])
        for t in range(weights.shape[1]):
            weight = weights[j, t]
            red += weight * line[place]
            green += weight * line[place + uint64(1)]
            blue += weight * line[place + uint64(2)]
            place += uint64(3)
        out[j, 0], out[j, 1], out[j, 2] = np.uint8(red), np.uint8(green), np.uint8(blue)


@njit(fastmath=FUSED)
def _across_any(line, first, weights, out):  # type: ignore[no-untyped-def]
    """The same for any number of channels, [size, channels]."""
    channels = out.shape[1]
    for j in range(len(out)):
        for c in range(channels):
            value = _HALF
            for t in range(weights.shape[1]):
                value += weights[j, t] * line[(first[j] + t) * channels + c]
            out[j, c] = np.uint8(value)


@cfunc(SETUP, nopython=True, cache=True)
def _set_shapes(out_shapes, _out_ndims, _outs, in_shapes, _in_ndims, _ins, samples):  # type: ignore[no-untyped-def]
    for i in range(samples):
        out_shape = shape_of(out_shapes, i, 3)
        out_shape[:] = shape_of(in_shapes, samples + i, 1)[0]
        out_shape[2] = shape_of(in_shapes, i, 3)[2]


@njit
def _within(first, taps, length):  # type: ignore[no-untyped-def]
    """Whether all that the tables look at lies within a line of this length."""
    inside = True
    for start in first:
        inside &= 0 <= start <= length - taps
    return inside


@cfunc(RUN, nopython=True, cache=True)
def _resize(outs, out_shapes, _out_ndims, _n_outs, ins, in_shapes, _in_ndims, _n_ins):  # type: ignore[no-untyped-def]
    height, width, channels = shape_of(in_shapes, 0, 3)
    size, taps = shape_of(in_shapes, 2, 2)
    fits = is_shape(in_shapes, 1, (size,)) and is_shape(out_shapes, 0, (size, size, channels))
    if not (fits and _within(carray(at(address_of(ins, 1)), (size,), np.int32), taps, min(height, width))):
        wipe(outs, out_shapes, 1)
        return
    pixels = carray(at(address_of(ins, 0)), (height, width * channels), np.uint8)
    first = carray(at(address_of(ins, 1)), (size,), np.int32)
    weights = carray(at(address_of(ins, 2)), (size, taps), np.float32)
    out = carray(at(address_of(outs, 0)), (size, size, channels), np.uint8)
    line = np.empty(width * channels, np.float32)
    for i in range(size):
        _down(pixels, first[i], weights[i], line)
        if channels == 3:
            _across(line, first, weights, out[i])
        else:
            _across_any(line, first, weights, out[i])


def resize(images: Any, source: int, size: int, first: int = 0, count: int = 0) -> Any:
    """DALI node on the CPU: square images at another size, antialiased where they shrink.

    Args:
        images: node of uint8 [source, source, channels].
        source: side of the images, pixels.
        size: side that the whole image gets, pixels.
        first: the first row and column of it that are wanted.
        count: how many are; all of them if 0.

    Returns:
        Node of uint8 [count, count, channels]; zeros for an image that ends before its last pixel wanted.
    """
    starts, weights = triangle_weights(source, size, first, count or size)
    inputs = [images, types.Constant(starts), types.Constant(weights)]
    takes = [(types.UINT8, 3), (types.INT32, 1), (types.FLOAT, 2)]
    return fn.reshape(compiled_operator((_set_shapes, _resize), inputs, takes, types.UINT8), layout="HWC")
