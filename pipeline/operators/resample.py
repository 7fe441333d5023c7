"""One DALI operator for warp, erasing, colour and normalisation on the CPU.

One after the other, operators of their own each write a picture to memory for the next one to read, and
DALI's warp alone takes longer than all that is done here. Here a row of the output is finished while it is
near: where its pixels lie in the source, in vector instructions; two plain reads of 8 bytes a pixel, each of
which holds two neighbours; interpolation, colour and types in vector instructions again. Nothing is rounded
in between.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import carray, cfunc, njit, types, uint64
from numba.extending import intrinsic
from nvidia.dali import types as dali_types
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

from pipeline.operators.compiled import (
    FUSED,
    RUN,
    SETUP,
    address_of,
    compiled_operator,
    half_bits,
    is_shape,
    shape_of,
    wipe,
)

_BYTE, _PIXEL = uint64(255), uint64(24)
_RED, _GREEN, _BLUE = uint64(0), uint64(8), uint64(16)
"""Shifts, in bits."""


@intrinsic
def _eight_bytes(_context, array, place):  # type: ignore[no-untyped-def]
    """Eight bytes of a uint8 array from any place on as one number, the first byte lowest."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(64).as_pointer())
        return builder.load(pointer, align=1)

    return types.uint64(array, place), generate


@njit(fastmath=FUSED)
def _find(matrix, row, across, down, x, y):  # type: ignore[no-untyped-def]
    """Where the pixels of an output row lie in the source.

    Args:
        matrix: float32 [3, 3], from output to source pixels, affine.
        row: number of the output row.
        across: int32 [n], written: column of the source's pixel left of the place.
        down: int32 [n], written: row of the one above.
        x: float32 [n], written: how far right of that column the place is, 0 to 1.
        y: float32 [n], written: how far below that row.
    """
    start_x = matrix[0, 1] * np.float32(row) + matrix[0, 2]
    start_y = matrix[1, 1] * np.float32(row) + matrix[1, 2]
    for u in range(len(x)):
        source_x, source_y = matrix[0, 0] * np.float32(u) + start_x, matrix[1, 0] * np.float32(u) + start_y
        whole_x, whole_y = np.floor(source_x), np.floor(source_y)
        across[u], down[u] = np.int32(whole_x), np.int32(whole_y)
        x[u], y[u] = source_x - whole_x, source_y - whole_y


@njit
def _inside(across, down, width, height):  # type: ignore[no-untyped-def]
    """First and past-last place of a row whose neighbours are in the source, with two bytes to spare.

    They are in one piece, since both the row and the source are convex.
    """
    first, last = 0, len(across)
    while first < last and not (0 <= across[first] < width - 2 and 0 <= down[first] < height - 1):
        first += 1
    while last > first and not (0 <= across[last - 1] < width - 2 and 0 <= down[last - 1] < height - 1):
        last -= 1
    return first, last


@njit
def _mirrored(place, length):  # type: ignore[no-untyped-def]
    """OpenCV's BORDER_REFLECT_101: of 4 pixels, places -2 to 5 are 2 1 0 1 2 3 2 1."""
    place = length - 1 - abs(length - 1 - abs(np.int64(place)))
    return max(0, min(place, length - 1))


@njit
def _neighbours(pixels, row, left, right):  # type: ignore[no-untyped-def]
    """Two pixels of a row as `_eight_bytes` reads neighbours."""
    found = uint64(0)
    for c in range(3):
        found |= uint64(pixels[row, left, c]) << uint64(8 * c)
        found |= uint64(pixels[row, right, c]) << uint64(8 * c + 24)
    return found


@njit
def _read(pixels, flat, across, down, upper, lower):  # type: ignore[no-untyped-def]
    """The four neighbours of every place of a row: uint64 [n] the upper two, and the lower two.

    Args:
        pixels: uint8 [height, width, 3].
        flat: the same bytes, [height * width * 3].
        across, down: int32 [n] as `_find` gives them.
        upper, lower: uint64 [n], written.
    """
    height, width = pixels.shape[:2]
    first, last = _inside(across, down, width, height)
    line = uint64(3 * width)
    for u in range(first, last):
        place = uint64(down[u]) * line + uint64(3 * across[u])
        upper[u], lower[u] = _eight_bytes(flat, place), _eight_bytes(flat, place + line)
    for start, end in ((0, first), (last, len(across))):
        for u in range(start, end):
            left, right = _mirrored(across[u], width), _mirrored(across[u] + 1, width)
            upper[u] = _neighbours(pixels, _mirrored(down[u], height), left, right)
            lower[u] = _neighbours(pixels, _mirrored(down[u] + 1, height), left, right)


@njit(inline="always", fastmath=FUSED)
def _blend(above, below, channel, x, y):  # type: ignore[no-untyped-def]
    """One channel between four neighbours: bilinear."""
    a, b = np.float32((above >> channel) & _BYTE), np.float32((above >> (channel + _PIXEL)) & _BYTE)
    c, d = np.float32((below >> channel) & _BYTE), np.float32((below >> (channel + _PIXEL)) & _BYTE)
    over = a + x * (b - a)
    return over + y * (c + x * (d - c) - over)


@njit(inline="always", fastmath=FUSED)
def _coloured(above, below, x, y, m):  # type: ignore[no-untyped-def]
    """The three channels of one output pixel; m is the colour matrix as twelve plain numbers."""
    r, g = _blend(above, below, _RED, x, y), _blend(above, below, _GREEN, x, y)
    b = _blend(above, below, _BLUE, x, y)
    return (
        m[0] * r + m[1] * g + m[2] * b + m[3],
        m[4] * r + m[5] * g + m[6] * b + m[7],
        m[8] * r + m[9] * g + m[10] * b + m[11],
    )


@njit(inline="always")
def _numbers(c):  # type: ignore[no-untyped-def]
    """A matrix as plain numbers: the compiler cannot know that writing pixels leaves it as it is."""
    return c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9], c[10], c[11]


@njit(fastmath=FUSED)
def _finish(upper, lower, x, y, matrix, red, green, blue):  # type: ignore[no-untyped-def]
    """A row from its neighbours (`_read`) and places between them (`_find`), float32."""
    m = _numbers(matrix)
    for u in range(len(x)):
        red[u], green[u], blue[u] = _coloured(upper[u], lower[u], x[u], y[u], m)


@njit(fastmath=FUSED)
def _finish_half(upper, lower, x, y, matrix, red, green, blue):  # type: ignore[no-untyped-def]
    """The same as the bits of float16."""
    m = _numbers(matrix)
    for u in range(len(x)):
        one, two, three = _coloured(upper[u], lower[u], x[u], y[u], m)
        red[u], green[u], blue[u] = half_bits(one), half_bits(two), half_bits(three)


@njit
def _weave(red, green, blue, line):  # type: ignore[no-untyped-def]
    """Three channels of a row into one: [n] each, into [3 n]."""
    for u in range(len(red)):
        line[3 * u], line[3 * u + 1], line[3 * u + 2] = red[u], green[u], blue[u]


@njit
def _fits(in_shapes, out_shapes, interleaved):  # type: ignore[no-untyped-def]
    """Whether the inputs, as `resample` takes them, and the output have the shapes that the loops rely on."""
    height, width, channels = shape_of(in_shapes, 0, 3)
    n = shape_of(in_shapes, 5, 2)[0]
    matrices = is_shape(in_shapes, 1, (3, 3)) and is_shape(in_shapes, 2, (3, 4))
    rectangle = (
        is_shape(in_shapes, 3, (2,)) and is_shape(in_shapes, 4, (2,)) and is_shape(in_shapes, 5, (n, 3))
    )
    gives = is_shape(out_shapes, 0, (n, n, 3) if interleaved else (3, n, n))
    return channels == 3 and min(height, width) >= 1 and matrices and rectangle and gives


@cache
def _callbacks(half: bool, interleaved: bool) -> tuple[Any, Any]:
    """The callback that says how large outputs are and the one that computes a sample, for one type and
    layout of the output. Inputs are those of `resample`, in its order."""
    dtype, bytes_each = (np.uint16, 2) if half else (np.float32, 4)

    @cfunc(SETUP, nopython=True, cache=True)
    def set_shapes(out_shapes, _out_ndims, _outs, in_shapes, _in_ndims, _ins, samples):  # type: ignore[no-untyped-def]
        for i in range(samples):
            out_shape = shape_of(out_shapes, i, 3)
            out_shape[:] = shape_of(in_shapes, 5 * samples + i, 2)[0]
            out_shape[2 if interleaved else 0] = 3

    @cfunc(RUN, nopython=True, cache=True)
    def apply(outs, out_shapes, _out_ndims, _n_outs, ins, in_shapes, _in_ndims, _n_ins):  # type: ignore[no-untyped-def]
        if not _fits(in_shapes, out_shapes, interleaved):
            wipe(outs, out_shapes, bytes_each)
            return
        height, width, _ = shape_of(in_shapes, 0, 3)
        pixels = carray(at(address_of(ins, 0)), (height, width, 3), np.uint8)
        flat = carray(at(address_of(ins, 0)), (height * width * 3,), np.uint8)
        warp = carray(at(address_of(ins, 1)), (3, 3), np.float32)
        colour = carray(at(address_of(ins, 2)), (12,), np.float32)
        corner = carray(at(address_of(ins, 3)), (2,), np.float32)
        extent = carray(at(address_of(ins, 4)), (2,), np.float32)
        n = shape_of(in_shapes, 5, 2)[0]
        blank = carray(at(address_of(ins, 5)), (n, 3), np.uint8)
        address = address_of(outs, 0)
        planes, lines = carray(at(address), (3, n, n), dtype), carray(at(address), (n, 3 * n), dtype)
        across, down = np.empty(n, np.int32), np.empty(n, np.int32)
        x, y = np.empty(n, np.float32), np.empty(n, np.float32)
        upper, lower = np.empty(n, np.uint64), np.empty(n, np.uint64)
        red, green, blue = np.empty(n, dtype), np.empty(n, dtype), np.empty(n, dtype)
        top, left = int(corner[0]), int(corner[1])
        bottom, right = top + int(extent[0]), min(left + int(extent[1]), n)
        for row in range(n):
            _find(warp, row, across, down, x, y)
            _read(pixels, flat, across, down, upper, lower)
            if top <= row < bottom:
                for u in range(max(left, 0), right):
                    upper[u] = lower[u] = _neighbours(blank.reshape(1, n, 3), 0, u, u)
            if not interleaved:
                red, green, blue = planes[0, row], planes[1, row], planes[2, row]
            if half:
                _finish_half(upper, lower, x, y, colour, red, green, blue)
            else:
                _finish(upper, lower, x, y, colour, red, green, blue)
            if interleaved:
                _weave(red, green, blue, lines[row])

    return set_shapes, apply


def resample(
    images: Any,
    warp: Any,
    colour: Any,
    corner: Any,
    extent: Any,
    blank: Any,
    *,
    half: bool = False,
    interleaved: bool = False,
) -> Any:
    """DALI node on the CPU: bilinear warp with mirrored borders, a blank rectangle, then an affine map of
    every pixel's colour.

    Args:
        images: node of uint8 HWC images with three channels.
        warp: node of float32 [3, 3], from output to source pixels, affine, centres counted from (0, 0).
        colour: node of float32 [3, 4].
        corner: node of float32 [2], top and left of the rectangle, whole output pixels.
        extent: node of float32 [2], its height and width.
        blank: node of uint8 [size, 3], a row of a blank picture: RGB. The output is size x size.
        half: give float16, rounded to nearest, rather than float32.
        interleaved: give HWC rather than CHW.

    Returns:
        Node of floats: channel c is colour[c] . (R, G, B, 1); zeros where `images` has other channels.
    """
    inputs = [images, warp, colour, corner, extent, blank]
    number = dali_types.FLOAT
    takes = [(dali_types.UINT8, 3), (number, 2), (number, 2), (number, 1), (number, 1), (dali_types.UINT8, 2)]
    return compiled_operator(_callbacks(half, interleaved), inputs, takes, number, half=half)
