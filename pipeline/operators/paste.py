"""Pasting cut-out people onto a background: RGBA pixels and the colours of four corners to RGB pixels.

Result = (alpha * RGB + (255 - alpha) * background) / 255, rounded; the background blends linearly from corner
to corner (`matrices.background_planes`). Done after the warp, so that what a turned crop shows beyond the
photo's edge is background too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, cfunc, uint64
from nvidia.dali import fn, types
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

from pipeline.operators.compiled import RUN, SETUP, compiled_operator


@cfunc(SETUP, nopython=True, cache=True)
def _set_shapes(out_shapes, _out_ndims, _outs, in_shapes, _in_ndims, _ins, samples):  # type: ignore[no-untyped-def]
    out_at = carray(at(out_shapes), (samples,), np.int64)
    in_at = carray(at(in_shapes), (samples,), np.int64)
    for i in range(samples):
        out_shape = carray(at(uint64(out_at[i])), (3,), np.int64)
        in_shape = carray(at(uint64(in_at[i])), (3,), np.int64)
        out_shape[0], out_shape[1], out_shape[2] = in_shape[0], in_shape[1], 3


@cfunc(RUN, nopython=True, cache=True)
def _paste(outs, _out_shapes, _out_ndims, _n_outs, ins, in_shapes, _in_ndims, n_ins):  # type: ignore[no-untyped-def]
    shape = carray(at(uint64(carray(at(in_shapes), (n_ins,), np.int64)[0])), (3,), np.int64)
    height, width = shape[0], shape[1]
    in_at = carray(at(ins), (n_ins,), np.int64)
    rgba = carray(at(uint64(in_at[0])), (height, width, 4), np.uint8)
    planes = carray(at(uint64(in_at[1])), (4, 3), np.float32)
    out = carray(at(uint64(carray(at(outs), (1,), np.int64)[0])), (height, width, 3), np.uint8)
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
        Node of uint8 [height, width, 3].
    """
    takes = [(types.UINT8, 3), (types.FLOAT, 2)]
    out = compiled_operator((_set_shapes, _paste), [rgba, planes], takes, types.UINT8)
    return fn.reshape(out, layout="HWC")
