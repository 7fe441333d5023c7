"""The process that reads: a decoder may end it, a reader may hang it or take its memory, and no more is lost.

`python -m tests.fuzz.child TARGET SEED FIRST SECONDS WORK OUT` reads inputs of a target, the first of that
number, and reports in lines of JSON on standard output.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import IO, Any, Final

from tests.fuzz.limits import WARM, limit_memory, limited_time
from tests.fuzz.minimise import minimise
from tests.fuzz.registry import build
from tests.fuzz.target import Case, Outcome, Target, attempt

EVERY_S: Final = 1
KINDS: Final = ("accepted", "refused", "failed")
STATE: Final = "4q"
"""What the process leaves of itself when it dies: the number of its last input, and how many of each kind."""


def input_of(target: Target, name: str, seed: int, number: int) -> Case:
    """The input of a number: a function of these."""
    return target.make(Random(f"{seed} {name} {number}"))


def emptied(folder: Path) -> Path:
    """A folder with nothing in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def read_one(target: Target, case: Case, folder: Path) -> Outcome:
    """Read an input in an emptied folder; the process ends where that takes more than `HANG_S`."""
    with limited_time():
        return attempt(target, case, emptied(folder))


def saved(case: Case, out: Path, where: str) -> Path:
    """Keep a failing input; inputs that fail alike lie in one folder."""
    folder = out / hashlib.sha256(where.encode()).hexdigest()[:8]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / case.file.replace("/", "+")
    path.write_bytes(case.data)
    return path


def kept(path: Path) -> Case:
    """The input that `saved` wrote."""
    return Case(path.name.replace("+", "/"), path.read_bytes())


def _failure(target: Target, case: Case, outcome: Outcome, work: Path, out: Path) -> dict[str, Any]:
    """Save a failing input, as small as it quickly gets."""

    def fails(data: bytes) -> bool:
        return read_one(target, Case(case.file, data), work / "input").where == outcome.where

    path = saved(Case(case.file, minimise(case.data, fails)), out, outcome.where)
    path.with_name("what.txt").write_text(f"{outcome.told}\n\n{outcome.trace}")
    return {"where": outcome.where, "told": outcome.told, "input": str(path)}


def loop(name: str, seed: int, first: int, seconds: float, work: Path, out: Path, report: IO[str]) -> None:
    """Read inputs until the time is over, and report counts and failures."""
    target = build(name)
    counts: Counter[str] = Counter()
    failures: dict[str, dict[str, Any]] = {}
    print(json.dumps({"ready": True}), file=report, flush=True)
    start = last = time.monotonic()
    current = os.open(work / "current", os.O_RDWR | os.O_CREAT)
    number = first
    while number == first or time.monotonic() - start < seconds:
        if number == first + WARM:
            limit_memory()
        so_far = (number, *(counts[kind] for kind in KINDS))
        os.pwrite(current, struct.pack(STATE, *so_far), 0)
        case = input_of(target, name, seed, number)
        outcome = read_one(target, case, work / "input")
        counts[outcome.kind] += 1
        if outcome.kind == "failed" and outcome.where not in failures:
            failures[outcome.where] = _failure(target, case, outcome, work, out)
            print(json.dumps({"failure": failures[outcome.where]}), file=report, flush=True)
        number += 1
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            print(json.dumps({"counts": counts}), file=report, flush=True)
    print(json.dumps({"counts": counts}), file=report, flush=True)


def main() -> None:
    """The command line; one of files in place of numbers repeats an input."""
    name, seed, first, seconds, work, out = sys.argv[1:]
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # decoders print, too
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    loop(name, int(seed), int(first), float(seconds), Path(work), Path(out), report)


if __name__ == "__main__":
    main()
