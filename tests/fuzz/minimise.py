"""Makes a failing input smaller, a little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MOST_TRIES: Final = 150


def minimise(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The input without the parts that its failure does not need, after at most `MOST_TRIES` tries.

    Args:
        data: fails.
        fails: whether other bytes fail alike.
    """
    size, tries = max(1, len(data) // 2), 0
    while size and tries < MOST_TRIES:
        at = 0
        while at < len(data) and tries < MOST_TRIES:
            shorter = data[:at] + data[at + size :]
            tries += 1
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
