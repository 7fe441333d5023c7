"""Compiled loops on as many threads as torch has, with results that do not depend on how many those are."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch

_PARTS = 16
"""Into which work is cut, whatever the threads: sums over parts are then the same bits on any number."""
_LEAST = 1 << 16
"""Numbers below which work is not cut: handing it over takes longer."""


def parts(rows: int, numbers: int) -> list[slice]:
    """The rows in order, cut into parts of about the same length; one where there is little to do.

    Args:
        rows: of the array.
        numbers: in the array.
    """
    count = min(_PARTS, rows) if numbers >= _LEAST else 1
    edges = [rows * part // count for part in range(count + 1)]
    return [slice(a, b) for a, b in pairwise(edges)]


def run_parts(work: Callable[[int], object], count: int) -> None:
    """Call `work` for 0 to `count` - 1 on torch's number of threads; it must let go of the interpreter."""
    threads = min(torch.get_num_threads(), count)

    def some(first: int) -> None:
        for part in range(first, count, threads):
            work(part)

    others = [_pool(threads).submit(some, first) for first in range(1, threads)]
    some(0)
    for other in others:
        other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="train-loops")


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of its parent's threads
