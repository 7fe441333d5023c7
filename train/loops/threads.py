"""Compiled loops on as many threads as torch has, with results that do not depend on how many those are."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

_PARTS = 16
"""Into which work is cut, whatever the threads: sums over parts are then the same bits on any number."""
_LEAST = 1 << 16
"""Numbers below which work is not cut: handing it over takes longer."""


def edges_of(rows: int, numbers: int) -> NDArray[np.int64]:
    """int64 [parts + 1] where parts of about the same length meet; one part where there is little to do.

    Args:
        rows: of the array.
        numbers: in the array.
    """
    count = min(_PARTS, rows) if numbers >= _LEAST else 1
    return np.arange(count + 1) * rows // count


def run_parts(work: Callable[[int, int], object], edges: NDArray[np.int64]) -> None:
    """Have all parts done on torch's number of threads.

    Args:
        work: does every `step`-th part from `first` on, called as work(first, step); it must let go of the
            interpreter. One call for many parts, as each costs as much as a small part.
        edges: of the parts.
    """
    threads = min(torch.get_num_threads(), len(edges) - 1)
    others = [_pool(threads).submit(work, first, threads) for first in range(1, threads)]
    work(0, threads)
    for other in others:
        other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="train-loops")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads
