"""One DALI operator for colour and normalisation: uint8 HWC and a 3 x 4 matrix to floats in either layout.

DALI's numba plugin compiles the Python function it is given anew for every pipeline (1.5 to 3 s each), and
behind views that hide from the compiler that the rows of a pixel array lie side by side. Here the two C
callbacks that the plugin wants are written out: numba keeps them on disk between processes (about 1 s
to load its compiler, once), every pipeline shares them, and the loop runs about four times as fast.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types, uint64
from nvidia.dali import fn
from nvidia.dali import types as dali_types
from nvidia.dali.plugin.numba import NumbaFunction
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

_ADDRESS, _INT = types.uint64, types.int32
SETUP = types.void(_ADDRESS, _ADDRESS, _INT, _ADDRESS, _ADDRESS, _INT, _INT)
"""C signature of the callback that says how large a batch's outputs are."""
RUN = types.void(_ADDRESS, _ADDRESS, _ADDRESS, _INT, _ADDRESS, _ADDRESS, _ADDRESS, _INT)
"""C signature of the callback that computes one sample."""
_U = np.uint32


class Compiled(NumbaFunction):
    """The plugin's operator, given compiled callbacks in place of Python functions."""

    def _get_run_fn_cpu(self, run_fn: Any, *_: Any) -> int:
        return int(run_fn.address)

    def _get_setup_fn_cpu(self, setup_fn: Any) -> int:
        return int(setup_fn.address)


@njit(inline="always")
def half_bits(value):  # type: ignore[no-untyped-def]
    """The 16 bits of a finite float32 below 65520 as IEEE 754 half, rounded to nearest, ties to even.

    Numba has no half floats on the CPU, and LLVM's own conversion needs an instruction that a CPU may lack.
    Normal halves: the exponent's bias changes from 127 to 15 and 13 bits are rounded away. Tiny ones: adding
    0.5 makes the adder round to a multiple of 2^-24, which is what the last bit of a subnormal half counts.
    """
    bits = np.float32(value).view(np.uint32)
    size = _U(bits & _U(0x7FFFFFFF))
    normal = _U(_U(size + _U(0xC8000FFF) + ((size >> _U(13)) & _U(1))) >> _U(13))
    tiny = _U(np.float32(abs(value) + np.float32(0.5)).view(np.uint32) - _U(0x3F000000))
    half = tiny if size < _U(0x38800000) else normal
    return np.uint16(half | ((bits >> _U(16)) & _U(0x8000)))


@cache
def _callbacks(half: bool, interleaved: bool) -> tuple[Any, Any]:
    """The two callbacks for one type and one layout of the output."""
    dtype = np.uint16 if half else np.float32

    @cfunc(SETUP, nopython=True, cache=True)
    def set_shapes(out_shapes, _out_ndims, _outs, in_shapes, _in_ndims, _ins, samples):  # type: ignore[no-untyped-def]
        out_at = carray(at(out_shapes), (samples,), np.int64)
        in_at = carray(at(in_shapes), (samples,), np.int64)
        for i in range(samples):
            out_shape = carray(at(uint64(out_at[i])), (3,), np.int64)
            in_shape = carray(at(uint64(in_at[i])), (3,), np.int64)
            first = 0 if interleaved else 1
            out_shape[first] = in_shape[0]
            out_shape[first + 1] = in_shape[1]
            out_shape[2 if interleaved else 0] = 3

    @cfunc(RUN, nopython=True, cache=True)
    def apply(outs, _out_shapes, _out_ndims, _n_outs, ins, in_shapes, _in_ndims, n_ins):  # type: ignore[no-untyped-def]
        shape = carray(at(uint64(carray(at(in_shapes), (n_ins,), np.int64)[0])), (3,), np.int64)
        pixels = shape[0] * shape[1]
        in_at = carray(at(ins), (n_ins,), np.int64)
        rgb = carray(at(uint64(in_at[0])), (pixels, 3), np.uint8)
        matrix = carray(at(uint64(in_at[1])), (3, 4), np.float32)
        out = carray(at(uint64(carray(at(outs), (1,), np.int64)[0])), (3 * pixels,), dtype)
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
        Node of floats: channel c is matrix[c] . (R, G, B, 1).
    """
    set_shapes, apply = _callbacks(half, interleaved)
    operator = Compiled(
        run_fn=apply,
        setup_fn=set_shapes,
        # The plugin refuses to be told of float16, so the bits are made and then called by their name.
        out_types=[dali_types.UINT16 if half else dali_types.FLOAT],
        in_types=[dali_types.UINT8, dali_types.FLOAT],
        outs_ndim=[3],
        ins_ndim=[3, 2],
    )
    out = operator(images, matrices)
    return fn.reinterpret(out, dtype=dali_types.FLOAT16) if half else out
