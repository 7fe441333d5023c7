"""The hand-written OpenCV loader in SPDL's threads, its batches' memory used again and again."""

from __future__ import annotations

from bench.loaders.rivals.spdl_threads import open_rival as open_threads
from bench.loaders.task import Epoch, Task


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    return open_threads(task, reuse=True)
