"""Each way in a process of its own, with the same cores, so that its memory is its own too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch

from bench.infer.setting import Job, Turn
from bench.measure import Round

_mine: list[Turn] = []
"""The turn that this process takes, once `_load` has made it."""


class WayProcess:
    """One way in a fresh process.

    Args:
        make: a function that can be sent to another process.
        job: its argument.

    Attributes:
        load_s: seconds it took to load networks and, where there is one, the loader; imports not counted.
        rounds: all turns so far, the first one among them.
    """

    def __init__(self, make: Callable[[Job], Turn], job: Job) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self.load_s = self._pool.submit(_load, make, job).result()
        self.rounds: list[Round] = []

    def run(self) -> Round:
        """Take a turn."""
        self.rounds.append(self._pool.submit(_take_turn).result())
        return self.rounds[-1]

    def peak_mb(self) -> float:
        """The most memory that was resident so far, MB, libraries and mapped files among it."""
        return self._pool.submit(_peak_mb).result()

    def stop(self) -> None:
        """End the process."""
        self._pool.shutdown()


def _load(make: Callable[[Job], Turn], job: Job) -> float:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    torch.set_num_threads(job.cores)
    start = time.perf_counter()
    _mine.append(make(job))
    return time.perf_counter() - start


def _take_turn() -> Round:
    (turn,) = _mine
    cpu, wall = time.process_time(), time.perf_counter()
    images = turn()
    return Round(images=images, wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def _peak_mb() -> float:
    # Not getrusage, whose figure begins with the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
