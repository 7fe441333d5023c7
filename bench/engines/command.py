"""What arrays of jobs and Ray cost beside one process of this machine."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.engines.work import LOCAL, measure_engines, results_table
from bench.measure import circumstances, save_report
from faces.command import run_command
from faces.cores import usable_cores


@dataclass(frozen=True, kw_only=True)
class BenchEnginesSettings:
    """Make one cache by local processes, by an array of shares and by Ray, in turns, on the same cores.

    Each cache's files are hashed, and a difference ends in an error. Speeds are of the middle of a run, from
    a fifth of its shards to nine tenths, so that Ray's start, which no length of a run changes, stands in a
    column of its own.

    Example: make bench-engines DATA=photos
    """

    data: Path = Path("demo/data/train")
    """Folder of photos."""
    photos: int = 160
    """How many of them, spread evenly."""
    shard_size: int = 8
    """Photos in a shard."""
    workers: int = usable_cores()
    """Processes of each engine: shares of the array, cores of Ray."""
    repetitions: int = 5
    """Turns of each engine."""
    out: Path = Path("bench/results/engines.json")
    """The report."""

    def __post_init__(self) -> None:
        for name, least in (("photos", 20), ("shard_size", 1), ("workers", 1), ("repetitions", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if importlib.util.find_spec("ray") is None:
            raise ValueError("ENGINE=ray: the extra ray is not installed; make setup EXTRAS=ray")


def bench(settings: BenchEnginesSettings) -> None:
    """Measure, print the table and write the report."""
    digest, rows = measure_engines(
        settings.data,
        photos=settings.photos,
        shard_size=settings.shard_size,
        workers=settings.workers,
        repetitions=settings.repetitions,
    )
    report = save_report(
        settings.out,
        conditions={
            "photos": settings.photos,
            "shard size": settings.shard_size,
            "processes": settings.workers,
            "turns": settings.repetitions,
        },
        versions={"ray": importlib.metadata.version("ray")},
        rows=rows,
        sha256=digest,
    )
    console = Console(highlight=False, soft_wrap=True)
    console.print(results_table(rows, f"stage 1 by engine, beside {LOCAL}"))
    console.print(f"sha256 of all files of each cache, the same in every turn: {digest}")
    console.print(f"{circumstances(report)}; wrote {settings.out}")


def main() -> None:
    """The command line."""
    run_command(BenchEnginesSettings, bench)
