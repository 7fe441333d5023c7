"""The soak: photos are drawn, each job runs for its time, and is looked at all the while."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Final

from bench.soak.jobs import JOBS, settings_of
from bench.soak.probe import Sample, look
from faces.sample.dataset import write_sample
from preprocess.run import preprocess

EVERY_S: Final = (0.25, 5.0)
"""Seconds between two looks: at least, at most."""
LOOKS: Final = 2000
"""So many looks at a job, where that is within `EVERY_S`."""
_TURN_S: Final = 600
"""Longest time that a job's last turn may take."""
Say = Callable[[str], object]


def prepare(folder: Path, people: int) -> None:
    """Draw photos, and preprocess them for training."""
    write_sample(folder / "photos", people=people, seed=0, workers=2)
    preprocess(settings_of(folder, folder / "cache"))


def soak(name: str, folder: Path, seconds: float, say: Say) -> list[Sample]:
    """Run a job over and over, and look at its processes.

    Args:
        name: of the job.
        folder: of `prepare`.
        seconds: so long; the turn that runs then is ended.
        say: called with a line about every minute.

    Raises:
        OSError: the job's process ended by itself.
    """
    temporary = folder / "temporary" / name
    temporary.mkdir(parents=True)
    context = multiprocessing.get_context("spawn")
    turns, ended = context.Value("q", 0), context.Event()
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(temporary)
    process = context.Process(target=JOBS[name], args=(folder, turns, ended), name=name)
    process.start()
    try:
        return _watched(process, turns, temporary, seconds, lambda line: say(f"{name}: {line}"))
    finally:
        ended.set()
        process.join(_TURN_S if process.is_alive() else None)
        process.kill()
        os.environ.pop("TMPDIR")
        if before is not None:
            os.environ["TMPDIR"] = before


def _watched(
    process: multiprocessing.process.BaseProcess,
    turns: Synchronized[int],
    temporary: Path,
    seconds: float,
    say: Say,
) -> list[Sample]:
    samples: list[Sample] = []
    every = min(max(seconds / LOOKS, EVERY_S[0]), EVERY_S[1])
    start = said = time.monotonic()
    while (now := time.monotonic()) - start < seconds:
        if not process.is_alive():
            words = (temporary.parents[1] / f"{process.name}.log").read_text(
                encoding="utf-8", errors="replace"
            )[-2000:]
            raise OSError(f"{process.name} ended by itself with exit code {process.exitcode}: {words}")
        done = turns.value
        samples.append(look(process.pid or 0, now - start, done, temporary))
        if now - said >= 60:
            said = now
            last = samples[-1]
            say(
                f"{(now - start) / 60:.0f} of {seconds / 60:.0f} minutes, {done} turns, "
                f"{last.resident_mb:,.0f} MB, {last.handles:.0f} handles, {last.threads:.0f} threads"
            )
        time.sleep(every)
    return samples
