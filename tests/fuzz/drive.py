"""Drives a target's process: counts, deaths, hangs, and another process in place of one that ended."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.child import KINDS, STATE, input_of, saved
from tests.fuzz.limits import HANG_S, TIMEOUT
from tests.fuzz.registry import build
from tests.fuzz.target import ROOT, Case


@dataclass
class Totals:
    """What a target came to."""

    name: str
    accepted: int = 0
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0
    failures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """One of each kind, by what they have in common: `where`, `told` and the path of the `input`."""

    def count(self, before: Sequence[int], counts: Sequence[int]) -> None:
        """Set the counts of `KINDS` to those before a process and its own."""
        self.accepted, self.refused, self.failed = (
            old + new for old, new in zip(before, counts, strict=True)
        )

    @property
    def inputs(self) -> int:
        """So many were read."""
        return self.accepted + self.refused + self.failed


def drive(
    name: str, seed: int, seconds: float, work: Path, out: Path, show: Callable[[Totals], object]
) -> Totals:
    """Try a target for some time.

    Args:
        name: of the target.
        seed: of the inputs.
        seconds: of reading; the starts of processes are not counted.
        work: a folder for the inputs as they are read.
        out: gets a folder of the target's name with what failed.
        show: called about every second.

    Raises:
        RuntimeError: the process failed by itself, which is no reader's doing.
    """
    totals, number = Totals(name), -1
    work.mkdir(parents=True, exist_ok=True)
    while totals.seconds < seconds:
        number = _one_process(totals, seed, number + 1, seconds - totals.seconds, work, out / name, show)
        if number < 0:
            break
    return totals


def _one_process(
    totals: Totals,
    seed: int,
    first: int,
    seconds: float,
    work: Path,
    out: Path,
    show: Callable[[Totals], object],
) -> int:
    """Run one process to its end; the number of the input that ended it, -1 where the time did."""
    current, errors = work / "current", work / "errors.txt"
    current.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.child", totals.name, str(seed), str(first), str(seconds)]
    before = (totals.accepted, totals.refused, totals.failed)
    read, ready = totals.seconds, time.monotonic()
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [*command, str(work), str(out)], cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True
        )
        assert process.stdout
        for line in process.stdout:
            told = json.loads(line)
            if "ready" in told:
                ready = time.monotonic()
            elif "failure" in told:
                totals.failures[told["failure"]["where"]] = told["failure"]
            else:
                totals.count(before, [told["counts"].get(kind, 0) for kind in KINDS])
                totals.seconds = read + time.monotonic() - ready
                show(totals)
    if process.wait() == 0:
        return -1
    words = errors.read_text(errors="replace")
    if not current.is_file() or (process.returncode == 1 and TIMEOUT not in words):
        raise RuntimeError(f"{totals.name}: its process failed by itself:\n{words[-3000:]}")
    number, *counts = struct.unpack(STATE, current.read_bytes())
    totals.count(before, counts)
    totals.seconds = read + time.monotonic() - ready
    case = input_of(build(totals.name), totals.name, seed, number)
    note_death(totals, case, process.returncode, words, out)
    return int(number)


def note_death(totals: Totals, case: Case, code: int, words: str, out: Path) -> None:
    """Count an input that ended its process, which left some words."""
    if TIMEOUT in words:
        how = f"no answer in {HANG_S} s"
    elif code < 0:
        how = f"the process ended by {signal.Signals(-code).name}"
    else:
        how = f"the process ended with exit code {code}"
    frames = [line.strip() for line in words.splitlines() if line.startswith("  File") and str(ROOT) in line]
    ours = [line for line in frames if ".venv" not in line and "/tests/fuzz/" not in line]
    where = f"{how}{f' at {ours[0]}' if ours else ''}"
    totals.failed += 1
    path = saved(case, out, where)
    path.with_name("what.txt").write_text(f"{how}\n\n{words[-20_000:]}")
    totals.failures.setdefault(where, {"where": where, "told": how, "input": str(path)})
