"""`python -m doctor.gpu_check`: everything that is made for a GPU, on this one."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rich.console import Console

from doctor.checks import GPU
from doctor.finding import Finding
from doctor.gpu_check.place import Place
from doctor.gpu_check.steps import MOST_SECONDS, STEPS, Step
from doctor.process import look
from doctor.table import line
from faces.command import nearest, run_command
from faces.files import write_atomically

TABLE: Final = "table.md"


@dataclass(frozen=True, kw_only=True)
class GpuCheckSettings:
    """Run everything that is made for a GPU on this one, the most telling first, in at most 12 minutes.

    Each step has a process of its own, the seconds that the table allows it, and a log. The exit code is 1
    where a step fails, or where there is no GPU. torch and timm may be of other versions than the lock's.

    Example: make gpu-check
    """

    list: bool = False
    """Only list the steps and the seconds that each is allowed."""
    only: tuple[str, ...] = ()
    """Steps to run; all when left out."""
    device: Literal["cuda", "cpu"] = "cuda"
    """cpu runs the steps that a CPU can run, to try the steps themselves."""
    people: int = 128
    """Drawn people; 128 give the 512 photos that stage 1 is tried on."""
    out: Path = Path("gpu-check")
    """Folder of the logs, the table (table.md) and what the steps write."""

    def __post_init__(self) -> None:
        known = [step.name for step in STEPS]
        for name in self.only:
            if name not in known:
                raise ValueError(f"only={name}: no such step; {nearest(name, known)}")

    def chosen(self) -> tuple[Step, ...]:
        """The steps that are run."""
        able = (step for step in STEPS if step.cpu or self.device == "cuda")
        return tuple(step for step in able if not self.only or step.name in self.only)


@dataclass(frozen=True, kw_only=True)
class Done:
    """A step that was run."""

    step: Step
    finding: Finding
    seconds: float


def check(settings: GpuCheckSettings) -> None:
    """Run the steps, print a line each, write the table after each."""
    console = Console(highlight=False, markup=False)
    if settings.list:
        for step in STEPS:
            console.print(f"{step.name:12}{step.seconds:4d} s  {step.about}")
        console.print(f"{'':12}{sum(step.seconds for step in STEPS):4d} s in all, at most")
        return
    start = time.monotonic()
    settings.out.mkdir(parents=True, exist_ok=True)
    if settings.device == "cuda":
        found = look(GPU.function, {}, seconds=GPU.seconds, log=settings.out / "gpu.log", cure=GPU.cure)
        if not found.gpu:
            sys.exit(f"{found.words}; nothing to check (--device cpu runs the steps that a CPU can run)")
    done = _run(settings, console, start)
    bad = [each.step.name for each in done if not each.finding.good]
    console.print(f"\n{len(done) - len(bad)} of {len(done)} steps are well; table: {settings.out / TABLE}")
    if bad:
        sys.exit(f"not well: {', '.join(bad)}; logs: {settings.out}/")


def _run(settings: GpuCheckSettings, console: Console, start: float) -> Sequence[Done]:
    place = Place(folder=settings.out.resolve(), device=settings.device, people=settings.people)
    done = []
    for step in settings.chosen():
        left = MOST_SECONDS - (time.monotonic() - start)
        log = settings.out / f"{step.name}.log"
        begun = time.monotonic()
        with console.status(f"{step.name}: {step.about}; at most {step.seconds} s"):
            seconds = max(1.0, min(step.seconds, left))
            finding = look(step.function, {"place": place}, seconds=seconds, log=log, cure=f"see {log}")
        done.append(Done(step=step, finding=finding, seconds=time.monotonic() - begun))
        console.print(line(step.name, finding, console.width))
        write_atomically(settings.out / TABLE, as_markdown(done).encode())
    return done


def as_markdown(done: Sequence[Done]) -> str:
    """A row for each step: whether it is well, seconds taken and allowed, and what it found."""
    lines = ["| step | | seconds, of | found |", "|---|---|---|---|"]
    for each in done:
        words = each.finding.words.replace("|", "\\|")
        mark = "ok" if each.finding.good else "**bad**"
        lines.append(f"| {each.step.name} | {mark} | {each.seconds:.0f}, {each.step.seconds} | {words} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    run_command(GpuCheckSettings, check)
