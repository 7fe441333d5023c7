"""What an input may take: time and memory."""

from __future__ import annotations

import faulthandler
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

HANG_S: Final = 10
"""No reader takes longer over one input."""
TIMEOUT: Final = "Timeout ("
"""What the process writes first on standard error where one does."""
MORE_BYTES: Final = 2**30
"""Address space that an input may take, beyond what the process has once its libraries are warm."""
WARM: Final = 20
"""Inputs read before memory is limited."""


def limit_memory() -> None:
    """Refuse this process more than `MORE_BYTES` beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@contextmanager
def limited_time(seconds: float = HANG_S) -> Iterator[None]:
    """End the process, with where it is on standard error, if the block takes longer; whoever holds the
    interpreter's lock meanwhile."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
