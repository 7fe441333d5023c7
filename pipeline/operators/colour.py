"""One DALI operator for colour and normalisation: uint8 HWC and a 3 x 4 matrix to floats in either layout."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, cfunc
from nvidia.dali import types as dali_types
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

from pipeline.operators.compiled import (
    RUN,
    SETUP,
    address_of,
    compiled_operator,
    half_bits,
    is_shape,
    shape_of,
    wipe,
)


@cache
def _callbacks(half: bool, interleaved: bool) -> tuple[Any, Any]:
    """The two callbacks for one type and one layout of the output."""
    dtype, size = (np.uint16, 2) if half else (np.float32, 4)

    @cfunc(SETUP, nopython=True, cache=True)
    def set_shapes(out_shapes, _out_ndims, _outs, in_shapes, _in_ndims, _ins, samples):  # type: ignore[no-untyped-def]
        for i in range(samples):
            out_shape, in_shape = shape_of(out_shapes, i, 3), shape_of(in_shapes, i, 3)
            first = 0 if interleaved else 1
            out_shape[first] = in_shape[0]
            out_shape[first + 1] = in_shape[1]
            out_shape[2 if interleaved else 0] = 3

    @cfunc(RUN, nopython=True, cache=True)
    def apply(outs, out_shapes, _out_ndims, _n_outs, ins, in_shapes, _in_ndims, _n_ins):  # type: ignore[no-untyped-def]
        height, width, channels = shape_of(in_shapes, 0, 3)
        takes = channels == 3 and is_shape(in_shapes, 1, (3, 4))
        gives = is_shape(out_shapes, 0, (height, width, 3) if interleaved else (3, height, width))
        if not (takes and gives):
            wipe(outs, out_shapes, size)
            return
        pixels = height * width
        rgb = carray(at(address_of(ins, 0)), (pixels, 3), np.uint8)
        matrix = carray(at(address_of(ins, 1)), (3, 4), np.float32)
        out = carray(at(address_of(outs, 0)), (3 * pixels,), dtype)
        # Twelve plain numbers: the compiler cannot know that writing pixels leaves the matrix as it is.
        rr, rg, rb, r0 = matrix[0, 0], matrix[0, 1], matrix[0, 2], matrix[0, 3]
        gr, gg, gb, g0 = matrix[1, 0], matrix[1, 1], matrix[1, 2], matrix[1, 3]
        br, bg, bb, b0 = matrix[2, 0], matrix[2, 1], matrix[2, 2], matrix[2, 3]
        step, plane = (3, 1) if interleaved else (1, pixels)
        for i in range(pixels):
            red, green, blue = np.float32(rgb[i, 0]), np.float32(rgb[i, 1]), np.float32(rgb[i, 2])
            x = rr * red + rg * green + rb * blue + r0
            y = gr * red + gg * green + gb * blue + g0
            z = br * red + bg * green + bb * blue + b0
            if half:
                out[step * i], out[step * i + plane] = half_bits(x), half_bits(y)
                out[step * i + 2 * plane] = half_bits(z)
            else:
                out[step * i], out[step * i + plane], out[step * i + 2 * plane] = x, y, z

    return set_shapes, apply


def apply_colour(images: Any, matrices: Any, *, half: bool = False, interleaved: bool = False) -> Any:
    """DALI node: an affine map of every pixel's colour.

    Args:
        images: node of uint8 HWC images with three channels.
        matrices: node of float32 [3, 4].
        half: give float16, rounded to nearest, rather than float32.
        interleaved: give HWC rather than CHW.

    Returns:
        Node of floats: channel c is matrix[c] . (R, G, B, 1); zeros where `images` has other channels.
    """
    takes = [(dali_types.UINT8, 3), (dali_types.FLOAT, 2)]
    callbacks = _callbacks(half, interleaved)
    return compiled_operator(callbacks, [images, matrices], takes, dali_types.FLOAT, half=half)
