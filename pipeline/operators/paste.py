"""Pasting cut-out people onto a background: RGBA pixels and the colours of four corners to RGB pixels.

Result = (alpha * RGB + (255 - alpha) * background) / 255, rounded; the background blends linearly from corner
to corner (`matrices.background_planes`). Done after the warp, so that what a turned crop shows beyond the
photo's edge is background too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc
from nvidia.dali import fn, types
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

from pipeline.operators.compiled import RUN, SETUP, address_of, compiled_operator, is_shape, shape_of, wipe


@cfunc(SETUP, nopython=True, cache=True)
def _set_shapes(out_shapes, _out_ndims, _outs, in_shapes, _in_ndims, _ins, samples):  # type: ignore[no-untyped-def]
    for i in range(samples):
        out_shape, in_shape = shape_of(out_shapes, i, 3), shape_of(in_shapes, i, 3)
        out_shape[0], out_shape[1], out_shape[2] = in_shape[0], in_shape[1], 3


@cfunc(RUN, nopython=True, cache=True)
def _paste(outs, out_shapes, _out_ndims, _n_outs, ins, in_shapes, _in_ndims, _n_ins):  # type: ignore[no-untyped-def]
    height, width, channels = shape_of(in_shapes, 0, 3)
    takes = channels == 4 and is_shape(in_shapes, 1, (4, 3))
    if not (takes and is_shape(out_shapes, 0, (height, width, 3))):
        wipe(outs, out_shapes, 1)
        return
    rgba = carray(at(address_of(ins, 0)), (height, width, 4), np.uint8)
    planes = carray(at(address_of(ins, 1)), (4, 3), np.float32)
    out = carray(at(address_of(outs, 0)), (height, width, 3), np.uint8)
    for row in range(height):
        y = (np.float32(row) + np.float32(0.5)) / np.float32(height)
        for c in range(3):
            start, slope = planes[0, c] + planes[2, c] * y, planes[1, c] + planes[3, c] * y
            for column in range(width):
                x = (np.float32(column) + np.float32(0.5)) / np.float32(width)
                share = np.float32(rgba[row, column, 3]) / np.float32(255)
                behind = start + slope * x
                mixed = behind + share * (np.float32(rgba[row, column, c]) - behind)
                out[row, column, c] = np.uint8(mixed + np.float32(0.5))


def paste(rgba: Any, planes: Any) -> Any:
    """DALI node on the CPU: the person on that background.

    Args:
        rgba: node of uint8 [height, width, 4], RGB not multiplied by alpha.
        planes: node of float32 [4, 3], as `matrices.background_planes` makes them.

    Returns:
        Node of uint8 [height, width, 3]; zeros where `rgba` has other channels.
    """
    takes = [(types.UINT8, 3), (types.FLOAT, 2)]
    out = compiled_operator((_set_shapes, _paste), [rgba, planes], takes, types.UINT8)
    return fn.reshape(out, layout="HWC")
