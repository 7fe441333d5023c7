"""`python -m tests.fuzz`: damaged files for every reader, for some minutes."""

from __future__ import annotations

import faulthandler
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from faces.command import nearest, run_command
from tests.fuzz.child import kept, read_one
from tests.fuzz.drive import Totals, drive
from tests.fuzz.limits import HANG_S
from tests.fuzz.registry import NAMES, build
from tests.fuzz.report import failure_lines, progress_line, totals_table

SHOW_S = 5


@dataclass(frozen=True, kw_only=True)
class FuzzSettings:
    """Give damaged files to every reader, each in a process of its own.

    A reader may return, or refuse in one line that names the file. Another error, no answer in 10 s, more
    than 1 GiB of memory or a dead process is a failure: its input is made a little smaller and kept.
    Decoders are not instrumented: what they cover is not measured, only what they end.

    Example: make fuzz MINUTES=10 TARGET="images caches"
    """

    minutes: float = 10.0
    """For all targets together, the starts of their processes not counted."""
    target: tuple[str, ...] = NAMES
    """Which readers."""
    seed: int = 0
    """Of the inputs: the same seed makes the same ones, as many as the time allows."""
    out: Path = Path("fuzz-failures")
    """Gets the inputs that fail."""
    input: Path | None = None
    """Such an input, to be read once more by one target."""

    def __post_init__(self) -> None:
        for name in self.target:
            if name not in NAMES:
                raise ValueError(f"target={name}: {nearest(name, NAMES)}")
        if not self.minutes > 0:
            raise ValueError(f"minutes={self.minutes}: must be above 0")
        if self.input and (len(self.target) != 1 or not self.input.is_file()):
            raise ValueError(
                f"input={self.input}: give one file that is there, and the one TARGET that reads it"
            )


def fuzz(settings: FuzzSettings) -> None:
    """Run the targets in turn; the exit code is 1 where something failed."""
    console = Console(highlight=False, markup=False)
    if settings.input:
        _repeat(settings.target[0], settings.input, console)
        return
    every = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        for name in settings.target:
            seconds = 60 * settings.minutes / len(settings.target)
            every.append(
                drive(name, settings.seed, seconds, Path(work) / name, settings.out, _Shown(console))
            )
            console.print(progress_line(every[-1]), soft_wrap=True)
    console.print(totals_table(every))
    for line in failure_lines(every):
        console.print(line, soft_wrap=True)
    if any(totals.failures for totals in every):
        console.print(f"the inputs that failed are in {settings.out}, seed {settings.seed}")
        sys.exit(1)


class _Shown:
    """Prints a target's progress every few seconds."""

    def __init__(self, console: Console) -> None:
        self._console, self._last = console, time.monotonic()

    def __call__(self, totals: Totals) -> None:
        now = time.monotonic()
        if now - self._last >= SHOW_S:
            self._last = now
            self._console.print(progress_line(totals), soft_wrap=True)


def _repeat(name: str, path: Path, console: Console) -> None:
    """Read one input here, and tell what comes of it."""
    faulthandler.enable()
    console.print(f"{name}: reading {path}, for at most {HANG_S} s")
    with tempfile.TemporaryDirectory(prefix="fuzz-") as work:
        outcome = read_one(build(name), kept(path), Path(work) / "input")
    console.print(f"{outcome.kind}: {outcome.told or 'no complaint'}\n{outcome.trace}", soft_wrap=True)
    if outcome.kind == "failed":
        sys.exit(1)


def main() -> None:
    """The command line."""
    run_command(FuzzSettings, fuzz)
