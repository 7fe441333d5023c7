"""Photos that are read while others are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

R = TypeVar("R")
T = TypeVar("T")
AHEAD = 4
"""Photos for each thread that are read and decoded ahead: enough to hide a slow disk, or a GPU's work."""


@contextmanager
def some_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block, whose waiting work is then dropped."""
    pool = ThreadPoolExecutor(count, "reader")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def read_ahead(
    rows: Sequence[R], read: Callable[[R], T], pool: ThreadPoolExecutor, threads: int
) -> Iterator[tuple[R, T]]:
    """Each row with what `read` makes of it, in their order, read in other threads while the last ones are
    worked on.

    Args:
        rows: the photos.
        read: called in a thread of the pool.
        pool: the threads.
        threads: how many of them.
    """
    pending: deque[tuple[R, Future[T]]] = deque()
    for row in rows:
        pending.append((row, pool.submit(read, row)))
        if len(pending) > AHEAD * threads:
            before, future = pending.popleft()
            yield before, future.result()
    for before, future in pending:
        yield before, future.result()
