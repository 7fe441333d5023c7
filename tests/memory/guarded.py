"""Arrays beside memory that may not be touched: a loop that reads or writes past them ends the process."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

PLACES = ("end", "start")
"""Which end of an array lies beside such memory."""
_PROT_NONE = 0


def guarded(array: np.ndarray, place: str) -> np.ndarray:
    """A copy that ends where the next page may not be touched, or begins right after one."""
    page = mmap.PAGESIZE
    room = -(-array.nbytes // page) * page or page
    memory = mmap.mmap(-1, room + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    mprotect = ctypes.CDLL(None, use_errno=True).mprotect
    for forbidden in (start, start + page + room):
        assert mprotect(ctypes.c_void_p(forbidden), page, _PROT_NONE) == 0
    offset = page + (room - array.nbytes if place == "end" else 0)
    copy = np.frombuffer(memory, array.dtype, array.size, offset).reshape(array.shape)
    copy[...] = array
    return copy


def shapes_table(arrays: Sequence[np.ndarray], place: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """Addresses of the arrays' shapes, as a callback gets them, and what they point at."""
    shapes = [guarded(np.array(array.shape, np.int64), place) for array in arrays]
    return addresses(shapes, place), shapes


def addresses(arrays: Sequence[np.ndarray], place: str) -> np.ndarray:
    """A guarded table of addresses."""
    return guarded(np.array([array.ctypes.data for array in arrays], np.int64), place)


def call(
    callback: Any, inputs: Sequence[np.ndarray], out: np.ndarray, place: str, shift: int = 0
) -> np.ndarray:
    """Call a compiled callback by its C address, every array and table that it gets being guarded.

    Args:
        callback: of the signature `RUN`.
        inputs: what it reads.
        out: of the output's shape and type.
        place: one of `PLACES`.
        shift: bytes by which the first input's address is wrong.

    Returns:
        What it wrote.
    """
    ins, (written,) = [guarded(values, place) for values in inputs], [guarded(out, place)]
    written.view(np.uint8)[...] = 0xA5
    places = addresses(ins, place)
    places[0] += shift
    in_shapes, kept = shapes_table(ins, place)
    out_shapes, also_kept = shapes_table([written], place)
    tables = [addresses([written], place), out_shapes, places, in_shapes]
    at = [table.ctypes.data for table in tables]
    callback.ctypes(at[0], at[1], 0, 1, at[2], at[3], 0, len(ins))
    del kept, also_kept
    return written


def said_shapes(callback: Any, inputs: Sequence[np.ndarray], samples: int, place: str) -> list[list[int]]:
    """What a compiled callback of the signature `SETUP` says of the outputs of a batch of equal samples."""
    in_shapes, kept = shapes_table([values for values in inputs for _ in range(samples)], place)
    outs = [guarded(np.full(3, -1, np.int64), place) for _ in range(samples)]
    table = addresses(outs, place)
    callback.ctypes(table.ctypes.data, 0, 1, in_shapes.ctypes.data, 0, len(inputs), samples)
    del kept
    return [out.tolist() for out in outs]


def ends_by_fault(act: Callable[[], object]) -> bool:
    """Whether this ends a process by SIGSEGV; it is done in a process of its own."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSEGV
