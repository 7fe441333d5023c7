"""How much memory the stage takes, and whether more photos take more."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

FEW = 1_000
POLL_SECONDS = 1.0
"""Longest time between two looks; a look reads every page's account, so many of them would cost the run."""


@dataclass(frozen=True)
class LongRun:
    """One run of the stage as a program of its own."""

    photos: int
    seconds: float
    """From the command to its end, imports and everything."""
    cpu: float
    """Seconds of CPU time of all its processes together."""
    peak: float
    """Most resident memory of all its processes together, MB; pages that they share count once."""


def run_program(photos: Sequence[Path], count: int, options: Sequence[str]) -> LongRun:
    """Preprocess `count` photos, which are links to fewer, and watch the memory.

    Args:
        photos: files, repeated as often as need be.
        count: how many links.
        options: of the command, beside `--data` and `--cache`.

    Raises:
        RuntimeError: the program failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data")
        data.mkdir()
        for number in range(count):
            source = photos[number % len(photos)]
            (data / f"{number:06d}{source.suffix}").symlink_to(source.resolve())
        command = [sys.executable, "-m", "preprocess", "--data", str(data), *options]
        start, before = time.perf_counter(), _ended()
        with (
            Path(folder, "log").open("w+", encoding="utf-8") as log,
            subprocess.Popen(
                [*command, "--cache", str(Path(folder, "cache"))], stdout=log, stderr=log
            ) as running,
        ):
            peak = 0.0
            while running.poll() is None:
                peak = max(peak, _resident(running.pid))
                # Often at first, or a run of a second would be seen once, before it has loaded anything.
                pause = min(POLL_SECONDS, 0.02 + 0.1 * (time.perf_counter() - start))
                with suppress(subprocess.TimeoutExpired):
                    running.wait(pause)
            seconds = time.perf_counter() - start
            if running.returncode:
                log.seek(0)
                raise RuntimeError(log.read())
    return LongRun(count, seconds, _ended() - before, peak)


def _ended() -> float:
    """Seconds of CPU time of all processes that were begun from here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _resident(pid: int) -> float:
    """Memory of a process and all that it started, in MB (proportional set size, Linux)."""
    total = 0.0
    for process in (pid, *_children(pid)):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="utf-8").splitlines()
        except OSError:
            continue  # it has just ended
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3
    return total


def _children(pid: int) -> list[int]:
    try:
        own = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [int(child) for child in own] + [deeper for child in own for deeper in _children(int(child))]
