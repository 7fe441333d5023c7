"""`python -m doctor`: is this machine fit?"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from doctor.checks import CAPABILITY, CHECKS_OF_BOTH, GPU, Check, checks_of_device, checks_of_machine
from doctor.finding import Finding
from doctor.process import look
from doctor.table import line
from faces.command import run_command

MOST_SECONDS: Final = 170.0
"""For all of it, with which its own start and end stay within three minutes."""
_LATE: Final = Finding(words="not looked at: three minutes are over", cure="run it again without other work")
Found = list[tuple[Check, Finding]]


@dataclass(frozen=True, kw_only=True)
class DoctorSettings:
    """Say in at most three minutes whether this machine is fit, a line for each thing, with its cure.

    Every look has a process of its own with a time limit, so that a fault of a driver ends one line only.
    The exit code is 0 where all is well, also without a GPU, and 1 where something is not.

    Example: make doctor ARGS="--device cpu"
    """

    device: Literal["auto", "cpu"] = "auto"
    """cpu leaves the GPU alone."""
    folders: tuple[Path, ...] = (Path("caches"), Path("runs"))
    """Where caches and runs will be kept; made by no one yet, the folder around them counts."""


def doctor(settings: DoctorSettings) -> None:
    """Look at everything, print a line each, and exit with 1 where something is not well."""
    console = Console(highlight=False, markup=False)
    console.print("Is this machine fit for FaceFold? At most three minutes.\n")
    start = time.monotonic()
    found: Found = []
    with tempfile.TemporaryDirectory(prefix="doctor-") as place:
        for check, finding in _all(settings, console, Path(place), start + MOST_SECONDS):
            console.print(line(check.name, finding, console.width))
            found.append((check, finding))
    bad = [(check, finding) for check, finding in found if not finding.good]
    seconds = time.monotonic() - start
    if not bad:
        no_gpu = "" if any(finding.gpu for _, finding in found) else "; no GPU: everything runs on the CPU"
        console.print(f"\nfit: {len(found)} looks in {seconds:.0f} s{no_gpu}", style="bold")
        return
    console.print(f"\nnot fit: {len(bad)} of {len(found)} looks in {seconds:.0f} s", style="bold")
    for check, finding in bad:
        console.print(f"- {check.name}: {finding.cure}")
    sys.exit(1)


def _all(
    settings: DoctorSettings, console: Console, place: Path, until: float
) -> Iterator[tuple[Check, Finding]]:
    """Every look that this machine allows, in order."""

    def each(checks: list[Check]) -> Iterator[tuple[Check, Finding]]:
        for check in checks:
            with console.status(f"{check.name}: at most {check.seconds:.0f} s"):
                finding = _one(check, place, until)
            yield check, finding

    yield from each(checks_of_machine(settings.folders))
    works = settings.device == "auto"
    for needed in (GPU, CAPABILITY):
        if works:
            [(check, finding)] = each([needed])
            works = finding.gpu
            yield check, finding
    yield from each(checks_of_device("cpu"))
    if works:
        yield from each([*checks_of_device("cuda"), *CHECKS_OF_BOTH])


def _one(check: Check, place: Path, until: float) -> Finding:
    left = until - time.monotonic()
    if left < 1:
        return _LATE
    log = place / "log"
    finding = look(
        check.function, check.arguments, seconds=min(check.seconds, left), log=log, cure=check.cure
    )
    if not finding.good and os.environ.get("FACEFOLD_TRACE"):
        print(log.read_text(encoding="utf-8", errors="replace"), file=sys.stderr)
    return finding


def main() -> None:
    """The command line."""
    run_command(DoctorSettings, doctor)
