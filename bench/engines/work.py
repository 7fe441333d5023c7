"""Runs of stage 1 by each engine in turns, timed by when their shards were written."""

from __future__ import annotations

import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from faces.terminal.progress import step_progress
from preprocess.sources.scan import scan, source_path

LOCAL: Final = "local processes"
ARRAY: Final = "array of shares"
RAY: Final = "Ray"


@dataclass(frozen=True)
class Run:
    """One run of one engine."""

    speed: float
    """Photos a second in its middle."""
    seconds: float
    """From its start to the finished cache."""


def measure_engines(
    data: Path, *, photos: int, shard_size: int, workers: int, repetitions: int
) -> tuple[str, list[dict[str, Any]]]:
    """Make the cache by each engine in turns; their order is turned round each time.

    Args:
        data: folder of photos.
        photos: how many of them.
        shard_size: photos in a shard.
        workers: processes of each engine.
        repetitions: turns.

    Returns:
        Hex sha256 of the cache, and a row for each engine: speeds and times by turn, and the median of the
        ratios to local processes, turn by turn.

    Raises:
        ValueError: a run failed, or two caches differ.
    """
    runs: dict[str, list[Run]] = {LOCAL: [], ARRAY: [], RAY: []}
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as place, step_progress("engines") as progress:
        some = _some(data, Path(place, "photos"), photos)
        bar = progress.add_task("", total=repetitions * len(runs))
        for turn in range(repetitions):
            for engine in [*runs][:: 1 if turn % 2 else -1]:
                progress.update(bar, description=engine)
                cache = Path(place, engine, "cache")
                same = ["--data", some, "--cache", cache, "--shard-size", shard_size]
                started = time.time()
                _run(_commands(engine, same, workers))
                seconds = time.time() - started
                runs[engine].append(Run(middle_speed(_written(cache), photos), seconds))
                digests[f"{engine}, turn {turn + 1}"] = _digest(cache)
                shutil.rmtree(cache.parent)
                progress.advance(bar)
    if len({*digests.values()}) > 1:
        raise ValueError(f"{data}: caches differ: {digests}; this is a fault of the program")
    return next(iter(digests.values())), [_row(engine, found, runs[LOCAL]) for engine, found in runs.items()]


def middle_speed(written: Sequence[float], photos: int) -> float:
    """Photos a second from a fifth of the shards to nine tenths.

    Args:
        written: seconds at which each shard was written.
        photos: of all shards, which are equal.
    """
    times = sorted(written)
    first, last = len(times) // 5, len(times) * 9 // 10 - 1
    return (last - first) * photos / len(times) / (times[last] - times[first])


def results_table(rows: Sequence[Mapping[str, Any]], title: str) -> Table:
    """The rows as a table for the terminal."""
    table = Table(title=title)
    table.add_column("")
    for name in ("photos/s", "slowest", "fastest", "ratio, turn by turn", "seconds in all"):
        table.add_column(name, justify="right")
    for row in rows:
        speeds, ratios = row["photos_per_s"], row["ratios"]
        table.add_row(
            row["engine"],
            *(f"{speed:.1f}" for speed in (statistics.median(speeds), min(speeds), max(speeds))),
            f"{row['ratio']:.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
            f"{statistics.median(row['seconds']):.1f}",
        )
    return table


def _row(engine: str, runs: Sequence[Run], local: Sequence[Run]) -> dict[str, Any]:
    ratios = [run.speed / beside.speed for run, beside in zip(runs, local, strict=True)]
    return {
        "engine": engine,
        "photos_per_s": [round(run.speed, 2) for run in runs],
        "seconds": [round(run.seconds, 1) for run in runs],
        "ratios": [round(ratio, 4) for ratio in ratios],
        "ratio": round(statistics.median(ratios), 4),
    }


def _some(data: Path, folder: Path, count: int) -> Path:
    """A folder of links to some of the photos."""
    folder.mkdir()
    listing = scan(data)
    sources = [*listing.photos.source][:: max(1, len(listing.photos) // count)][:count]
    if len(sources) < count:
        raise ValueError(f"photos={count}: {data} has {len(sources)}; give more, or fewer --photos")
    for number, source in enumerate(sources):
        path = listing.folder / source_path(source)
        (folder / f"{number:06d}{path.suffix}").symlink_to(path.resolve())
    return folder


def _commands(engine: str, same: Sequence[object], workers: int) -> list[list[str]]:
    more: list[list[object]] = [["--workers", workers]]
    if engine == ARRAY:
        more = [["--workers", 1, "--shard", f"{number}/{workers}"] for number in range(workers)]
    elif engine == RAY:
        more = [["--workers", workers, "--engine", "ray"]]
    return [[sys.executable, "-m", "preprocess", *map(str, [*same, *each])] for each in more]


def _run(commands: Sequence[Sequence[str]]) -> None:
    """All at once."""
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
        for command in commands
    ]
    for process in running:
        _, errors = process.communicate()
        if process.returncode:
            raise ValueError(f"a run failed: {errors.strip() or process.returncode}")


def _written(cache: Path) -> list[float]:
    return [path.stat().st_mtime for path in (cache / "shards").glob("*.tar")]


def _digest(cache: Path) -> str:
    """Of the names and the content of all files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in cache.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(cache)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
