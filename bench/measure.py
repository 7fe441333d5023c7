"""Measuring rivals side by side, and the one form in which benchmarks are reported: table, JSON, picture."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from faces.cores import usable_cores
from faces.files import write_atomically
from faces.plots import save_figure
from faces.terminal.progress import step_progress


@dataclass(frozen=True, kw_only=True)
class Round:
    """The work done once."""

    images: int
    """How many."""
    wall: float
    """Seconds by the clock."""
    cpu: float
    """Seconds of CPU time, worker processes included."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One way of doing the same work."""

    name: str
    """Name in the report."""
    work: Callable[[], int | Round | None]
    """Does the work once, whole and synchronised, and returns the number of images, or, if it was done and
    timed in another process, what was found there. None: it cannot be done, and the rival has no row."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One rival's result over the repetitions."""

    name: str
    """The rival's."""
    images_per_s: float
    """Median, by the wall clock."""
    min: float
    """Slowest repetition, images/s."""
    max: float
    """Fastest repetition, images/s."""
    cpu_us: float
    """Median CPU time of an image in microseconds, worker processes included."""
    ratio: float
    """`images_per_s` over that of the rival compared with."""


def measure(rivals: Sequence[Rival], *, repetitions: int, compared_with: str) -> list[Row]:
    """Time rivals in turn (A B C A B C ...), so that a busy moment of the machine hits all of them.

    The first round warms up (workers, compilers, page cache) and is not counted.

    Args:
        rivals: at least one.
        repetitions: counted rounds.
        compared_with: name of the rival whose ratio is 1.

    Returns:
        A row for each rival that did the work in every round, in their order.

    Raises:
        ValueError: the rival compared with did not.
    """
    rounds: dict[str, list[Round]] = {rival.name: [] for rival in rivals}
    with step_progress("turns", console=Console(highlight=False)) as progress:
        bar = progress.add_task("", total=(repetitions + 1) * len(rivals))
        for repetition in range(repetitions + 1):
            for rival in rivals:
                progress.update(bar, description=rival.name if repetition else f"{rival.name} (warm-up)")
                done = _timed(rival)
                if done is None:
                    rounds.pop(rival.name, None)
                elif repetition and rival.name in rounds:
                    rounds[rival.name].append(done)
                progress.advance(bar)
    if compared_with not in rounds:
        raise ValueError(f"{compared_with}, with which the others are compared, failed")
    base = statistics.median(done.images / done.wall for done in rounds[compared_with])
    return [_row(name, found, base) for name, found in rounds.items()]


def _timed(rival: Rival) -> Round | None:
    cpu, wall = _cpu_seconds(), time.perf_counter()
    done = rival.work()
    wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    return Round(images=done, wall=wall, cpu=cpu) if isinstance(done, int) else done


def _row(name: str, rounds: Sequence[Round], base: float) -> Row:
    speeds = [done.images / done.wall for done in rounds]
    return Row(
        name=name,
        images_per_s=round(statistics.median(speeds), 1),
        min=round(min(speeds), 1),
        max=round(max(speeds), 1),
        cpu_us=round(statistics.median(done.cpu / done.images * 1e6 for done in rounds), 1),
        ratio=round(statistics.median(speeds) / base, 3),
    )


def _cpu_seconds() -> float:
    """CPU time so far of this process, all its threads, and its living worker processes (on Linux)."""
    total = time.process_time()
    for worker in multiprocessing.active_children():
        try:
            fields = Path(f"/proc/{worker.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # user and system time
    return total


def describe_machine() -> str:
    """Processor, cores that may be used, memory and GPUs."""
    # It imports torch, and a benchmark of processes may have none in its own.
    from train.engine.gpu import installed_gpus

    try:
        names = [
            line
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if "model name" in line
        ]
    except OSError:
        names = []
    processor = names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = " and ".join(gpu.name for gpu in installed_gpus()) or "no GPU"
    return f"{processor}, {usable_cores()} cores, {memory:.0f} GiB, {gpus}"


def command_line() -> str:
    """The command that runs, as typed."""
    module = sys.modules["__main__"].__spec__
    started = f"python -m {module.name.removesuffix('.__main__')}" if module else Path(sys.argv[0]).name
    return " ".join([started, *map(shlex.quote, sys.argv[1:])])


def save_report(
    path: Path, *, conditions: Mapping[str, Any], versions: Mapping[str, str], **parts: Any
) -> dict[str, Any]:
    """Write a benchmark's JSON, and return what it holds: machine, versions, command, conditions, parts.

    Args:
        path: the file; its folder is made.
        conditions: what a reader needs to repeat it: counts, sizes, threads.
        versions: of the packages that matter; Python's is added.
        parts: what was measured, by name.
    """
    report = {
        "machine": describe_machine(),
        "versions": {"python": platform.python_version(), **versions},
        "command": command_line(),
        "conditions": dict(conditions),
        **parts,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(report, indent=1) + "\n").encode())
    return report


def circumstances(report: Mapping[str, Any]) -> str:
    """The machine and the conditions of a report in one line."""
    conditions = (f"{key} {value}" for key, value in report["conditions"].items())
    return f"{report['machine']}; {', '.join(conditions)}"


def write_report(
    path: Path,
    rows: Sequence[Row],
    *,
    conditions: Mapping[str, Any],
    versions: Mapping[str, str],
    title: str,
) -> None:
    """Print the table, write the JSON to `path` and the picture beside it, as .png.

    Args:
        path: the JSON file; its folder is made.
        rows: what was measured.
        conditions: what a reader needs to repeat it: counts, sizes, threads.
        versions: of the packages that matter.
        title: of table and picture.
    """
    measured = [vars(row) for row in rows]
    report = save_report(path, conditions=conditions, versions=versions, rows=measured)
    console = Console(highlight=False)
    console.print(rows_table(rows, title))
    console.print(circumstances(report))
    _draw(path.with_suffix(".png"), rows, title, report["machine"])
    console.print(f"wrote {path} and {path.with_suffix('.png')}")


def rows_table(rows: Sequence[Row], title: str) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title=title)
    table.add_column("")
    for name in ("images/s", "slowest", "fastest", "CPU µs/image", "ratio"):
        table.add_column(name, justify="right")
    for row in rows:
        speeds = (f"{speed:,.0f}" for speed in (row.images_per_s, row.min, row.max, row.cpu_us))
        table.add_row(row.name, *speeds, f"{row.ratio:.2f}")
    return table


def _draw(path: Path, rows: Sequence[Row], title: str, machine: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2 + 0.5 * len(rows)), layout="constrained")
    draw_rows(figure.subplots(), rows, title, machine)
    save_figure(figure, path, dpi=120)


def draw_rows(axes: Any, rows: Sequence[Row], title: str, machine: str) -> None:
    """Draw a bar for each row, the first on top.

    Args:
        axes: of matplotlib.
        rows: to be drawn.
        title: of the chart.
        machine: written below it.
    """
    speeds = [row.images_per_s for row in rows]
    spread = [[row.images_per_s - row.min for row in rows], [row.max - row.images_per_s for row in rows]]
    colours = ["tab:orange" if row.name.startswith("ours") else "tab:gray" for row in rows]
    axes.barh([row.name for row in rows], speeds, xerr=spread, color=colours, capsize=3)
    for place, row in enumerate(rows):
        speed = f"{row.images_per_s:,.{1 if row.images_per_s < 100 else 0}f}"
        axes.text(row.max, place, f"  {speed} ({row.ratio:.1f}x)", va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, 1.25 * max(row.max for row in rows))
    axes.set_xlabel(f"images/s, median and range\n{machine}")
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
