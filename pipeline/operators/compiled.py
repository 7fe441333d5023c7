"""Operators of our own for DALI on the CPU, from compiled callbacks.

DALI's numba plugin compiles the Python function it is given anew for every pipeline (1.5 to 3 s each), and
behind views that hide from the compiler that the rows of a pixel array lie side by side. Our operators write
out the two C callbacks that the plugin wants: numba keeps them on disk between processes (about 1 s to load
its compiler, once), every pipeline shares them, and their loops run about four times as fast.

A callback gets bare addresses, so nothing stops it at the end of an array. Each therefore compares the
shapes that it was really given with what its loops read and write, before it reads anything; where they do
not fit, its output is zeros (`wipe`). It cannot say so: the engine refuses crops of another size, see
`pipeline/engine.py`. Numbers and types of dimensions DALI compares with `takes` by itself.

What numba keeps it finds again by the callback's file, its date, and what the callback encloses. So a
callback encloses plain values only (a compiled function would be a new one in every process), and calls
functions of its own file or of this one: whoever changes those here must change the files that use them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import carray, njit, types, uint64
from nvidia.dali import fn
from nvidia.dali import types as dali_types
from nvidia.dali.plugin.numba import NumbaFunction
from nvidia.dali.plugin.numba import address_as_void_pointer as at  # type: ignore[attr-defined]

_ADDRESS, _INT = types.uint64, types.int32
SETUP: Final = types.void(_ADDRESS, _ADDRESS, _INT, _ADDRESS, _ADDRESS, _INT, _INT)
"""C signature of the callback that says how large a batch's outputs are: addresses of the shapes, dimensions
and number of outputs, the same of inputs, number of samples."""
RUN: Final = types.void(_ADDRESS, _ADDRESS, _ADDRESS, _INT, _ADDRESS, _ADDRESS, _ADDRESS, _INT)
"""C signature of the callback that computes one sample: addresses of the outputs, their shapes and
dimensions, their number, the same of inputs."""
FUSED: Final = {"contract"}
"""What the compiler may assume of floats: that a product and a sum may be one instruction."""
_U = np.uint32


class _Compiled(NumbaFunction):
    """The plugin's operator, given compiled callbacks in place of Python functions."""

    def _get_run_fn_cpu(self, run_fn: Any, *_: Any) -> int:
        return int(run_fn.address)

    def _get_setup_fn_cpu(self, setup_fn: Any) -> int:
        return int(setup_fn.address)


def compiled_operator(
    callbacks: tuple[Any, Any],
    inputs: Sequence[Any],
    takes: Sequence[tuple[Any, int]],
    gives: Any,
    *,
    half: bool = False,
) -> Any:
    """DALI node on the CPU of one output with three dimensions.

    Args:
        callbacks: compiled, of the signatures `SETUP` and `RUN`.
        inputs: nodes.
        takes: type and dimensions of each.
        gives: type of the output.
        half: the output's uint16 are the bits of float16.
    """
    set_shapes, run = callbacks
    operator = _Compiled(
        run_fn=run,
        setup_fn=set_shapes,
        # The plugin knows no float16, so the bits are made as uint16 and then reinterpreted.
        out_types=[dali_types.UINT16 if half else gives],
        in_types=[kind for kind, _ in takes],
        outs_ndim=[3],
        ins_ndim=[dimensions for _, dimensions in takes],
    )
    out = operator(*inputs)
    return fn.reinterpret(out, dtype=dali_types.FLOAT16) if half else out


@njit
def address_of(table, number):  # type: ignore[no-untyped-def]
    """The address that stands at this place of a table of addresses."""
    return uint64(carray(at(table), (number + 1,), np.int64)[number])


@njit
def shape_of(shapes, number, dimensions):  # type: ignore[no-untyped-def]
    """int64 [dimensions] the shape at this place of a table of shapes' addresses, to be read or written."""
    return carray(at(address_of(shapes, number)), (dimensions,), np.int64)


@njit
def is_shape(shapes, number, wanted):  # type: ignore[no-untyped-def]
    """Whether the shape at this place of the table is this one, a tuple."""
    found, same = shape_of(shapes, number, len(wanted)), True
    for k in range(len(wanted)):
        same &= found[k] == wanted[k]
    return same


@njit
def wipe(outs, out_shapes, size):  # type: ignore[no-untyped-def]
    """Fill the output with zeros; `size` are the bytes of one of its numbers."""
    shape = shape_of(out_shapes, 0, 3)
    carray(at(address_of(outs, 0)), (shape[0] * shape[1] * shape[2] * size,), np.uint8)[:] = 0


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
