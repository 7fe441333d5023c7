"""`python -m bench.soak`: hours of training and preprocessing, and what grows meanwhile."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import save_report
from bench.soak.jobs import EPOCHS, JOBS, WORKERS
from bench.soak.picture import draw
from bench.soak.probe import COUNTED
from bench.soak.trend import RULE, Trend, trend
from bench.soak.work import prepare, soak
from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class BenchSoakSettings:
    """Train and preprocess over and over, and say whether memory, handles, threads or files grow.

    Training: a fold with validation and a save after every batch, then the next, in one process.
    Preprocessing: the same photos into a new cache each time, on two workers. Each gets half of the time.
    The exit code is 1 where something grows.

    Example: make soak MINUTES=10
    """

    hours: float = 2.0
    """For both together."""
    minutes: float | None = None
    """Instead of hours."""
    people: int = 24
    """Drawn people; 7 photos of each of the 60 % that train."""
    out: Path = Path("bench/results/soak.json")
    """The report; a picture is written beside it."""

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"hours={self.hours} minutes={self.minutes}: must be above 0")

    @property
    def seconds(self) -> float:
        """For both together."""
        return 3600 * self.hours if self.minutes is None else 60 * self.minutes


def bench(settings: BenchSoakSettings) -> dict[str, Any]:
    """Soak, print the table, draw the curves and write the report."""
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as place:
        folder = Path(place)
        prepare(folder, settings.people)
        samples = {job: soak(job, folder, settings.seconds / len(JOBS), console.print) for job in JOBS}
    trends = {job: {name: trend(looks, name) for name in COUNTED} for job, looks in samples.items()}
    report = save_report(
        settings.out,
        conditions={
            "minutes a job": settings.seconds / 60 / len(JOBS),
            "people": settings.people,
            "epochs a turn": EPOCHS,
            "workers": WORKERS,
        },
        versions={name: version(name) for name in ("torch", "numpy")},
        rule=RULE,
        trends={job: {name: each.table() for name, each in found.items()} for job, found in trends.items()},
        samples={job: [asdict(look) for look in looks] for job, looks in samples.items()},
    )
    picture = settings.out.with_suffix(".png")
    draw(picture, samples, trends, report["machine"])
    for job, found in trends.items():
        console.print(trend_table(f"{job}: {samples[job][-1].turn} turns", found))
    console.print(f"{RULE}\n{report['machine']}; wrote {settings.out} and {picture}")
    return report


def trend_table(title: str, found: Mapping[str, Trend]) -> Table:
    """A row a quantity."""
    table = Table(title=title)
    table.add_column("")
    for name in ("after warm-up", "at the end", "an hour", "99 % interval"):
        table.add_column(name, justify="right")
    table.add_column("")
    for name, each in found.items():
        known = each.verdict != "too few turns"
        slope = (f"{each.an_hour:+,.1f}", f"{each.low:+,.1f} to {each.high:+,.1f}") if known else ("", "")
        table.add_row(name, f"{each.start:,.1f}", f"{each.end:,.1f}", *slope, each.verdict)
    return table


def soak_or_exit(settings: BenchSoakSettings) -> None:
    """`bench`, with exit code 1 where something grows."""
    trends = bench(settings)["trends"]
    if any(each["verdict"] == "growing" for found in trends.values() for each in found.values()):
        sys.exit(1)


def main() -> None:
    """The command line."""
    run_command(BenchSoakSettings, soak_or_exit)
