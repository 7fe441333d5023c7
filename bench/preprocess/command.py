"""`make bench-preprocess`: detectors, the whole stage, and its memory, beside facenet-pytorch."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Literal

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.measure import Row, write_report
from bench.preprocess.detect import MIN_FACES, compare_boxes, time_detectors
from bench.preprocess.facenet import facenet_stage
from bench.preprocess.memory import FEW, cores, run_program
from faces.command import run_command
from faces.writer import CacheWriter
from preprocess.crop.photo import Pixels, read_photo
from preprocess.detect.face import reduce_photo
from preprocess.pool import run_shards
from preprocess.settings import Settings as StageSettings
from preprocess.shard import Row as Photo
from preprocess.shard import Tools
from preprocess.sources.scan import COLUMNS, scan, source_path

PACKAGES = ("torch", "facenet-pytorch", "opencv-python-headless", "numpy", "pillow")
PEER = "facenet-pytorch one by one"
SHARD = 64
Part = Literal["detectors", "boxes", "stage", "memory"]
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure detection and the whole of stage 1, beside facenet-pytorch as teams use it."""

    data: Path = Path("demo/data/train")
    """Photos of one size, in any layout of stage 1; fewer than are needed are repeated."""
    yunet: Path | None = None
    """YuNet's model file, for its rows."""
    out: Path = Path("bench/results/preprocess.json")
    """The report of the stage; a picture is written beside it."""
    parts: tuple[Part, ...] = ("detectors", "boxes", "stage", "memory")
    """What to measure: CPU time of detectors, equality of boxes, the stage with 1 and 2 workers, memory."""
    photos: int = 960
    """Photos a round of the stage; facenet-pytorch gets an eighth of them."""
    boxes: int = 300
    """Photos whose boxes are compared."""
    many: int = 20_000
    """Photos of the long run, whose memory is compared with that of a run over 1,000."""
    repetitions: int = 3
    """Counted rounds."""


@dataclass(frozen=True)
class Round:
    """One run of the stage."""

    speed: float
    """Photos a second."""
    cpu: float
    """CPU ms a photo."""
    split: Mapping[str, float]
    """CPU ms a photo by kind of work."""


def run_stage(photos: Sequence[Photo], folder: Path, settings: StageSettings) -> Round:
    """Run the stage on some photos and throw the cache away.

    The clock runs from a fifth of the photos to nine tenths, so that imports and an idle worker at the end
    do not count.
    """
    shards = {n: photos[at : at + SHARD] for n, at in enumerate(range(0, len(photos), SHARD))}
    times = [(0.0, 0)]
    with tempfile.TemporaryDirectory() as place:
        writer = CacheWriter(
            Path(place, "cache"), settings=settings.of_the_bytes(), source={}, shard_count=len(shards)
        )
        spent = run_shards(
            shards,
            Tools(settings, folder),
            writer,
            settings.workers,
            lambda count, _: times.append((time.perf_counter(), times[-1][1] + count)),
        )
    clock, done = np.array(times).T
    first, last = np.searchsorted(done, (0.2 * len(photos), 0.9 * len(photos)))
    split = {what: seconds / len(photos) * 1e3 for what, seconds in spent.items()}
    return Round(float((done[last] - done[first]) / (clock[last] - clock[first])), sum(split.values()), split)


def measure_stage(photos: Sequence[Photo], folder: Path, settings: Settings) -> dict[str, list[Round]]:
    """Rounds of every way of cropping, with 1 and 2 workers, in turns."""
    plain = StageSettings(data=folder, cache=Path("-"))
    rivals = {f"ours, min_face {m}": replace(plain, min_face=m) for m in MIN_FACES}
    if settings.yunet:
        rivals["ours, YuNet only"] = replace(plain, steps=("yunet",), yunet=settings.yunet)
    few = [folder / source_path(photo["source"]) for photo in photos[: max(16, len(photos) // 8)]]
    rounds: dict[str, list[Round]] = defaultdict(list)
    with Progress(console=console) as progress:
        bar = progress.add_task("stage", total=settings.repetitions * 2)
        for _ in range(settings.repetitions):
            for workers in (1, 2):
                with tempfile.TemporaryDirectory() as place:
                    speed, cpu = facenet_stage(few, Path(place), 256, workers)
                rounds[f"{PEER}, {workers} w."].append(Round(speed, cpu, {}))
                for name, stage in rivals.items():
                    own = run_stage(photos, folder, replace(stage, workers=workers))
                    rounds[f"{name}, {workers} w."].append(own)
                progress.advance(bar)
    return rounds


def report_stage(rounds: Mapping[str, list[Round]], settings: Settings) -> None:
    """Print and write what `measure_stage` found."""
    base = median(own.speed for own in rounds[f"{PEER}, 1 w."])
    rows = []
    for name, own in rounds.items():
        speeds = [one.speed for one in own]
        rows.append(
            Row(
                name=name,
                images_per_s=round(median(speeds), 1),
                min=round(min(speeds), 1),
                max=round(max(speeds), 1),
                cpu_us=round(median(one.cpu for one in own) * 1e3),
                ratio=round(median(speeds) / base, 2),
            )
        )
    splits = {
        name: {what: round(median(one.split[what] for one in own), 2) for what in own[0].split}
        for name, own in rounds.items()
        if own[0].split
    }
    conditions = {"photos": settings.photos, "repetitions": settings.repetitions, "CPU ms a photo": splits}
    write_report(
        settings.out,
        rows,
        conditions=conditions,
        versions={name: version(name) for name in PACKAGES},
        title="Photos to crops of 256, the whole stage",
    )
    for name in (name for name in rounds if name.endswith(", 1 w.")):
        one, two = (median(own.speed for own in rounds[name[:-4] + f"{n} w."]) for n in (1, 2))
        console.print(f"{name[:-6]}: {two / one:.2f} times as fast with 2 workers as with 1")


def report_detectors(photos: Sequence[Pixels], settings: Settings) -> None:
    """Time the detectors and print it."""
    times = time_detectors(photos, settings.yunet, settings.repetitions)
    table = Table(title="Detection alone, one thread, CPU ms a photo")
    for name in ("", "median", "least", "most", "ratio"):
        table.add_column(name, justify="right" if name else "left")
    base = median(next(iter(times.values())))
    for name, own in times.items():
        figures = (f"{value:.1f}" for value in (median(own), min(own), max(own)))
        table.add_row(name, *figures, f"{base / median(own):.1f}")
    console.print(table)


def report_boxes(photos: Sequence[Pixels]) -> None:
    """Compare boxes and print it."""
    for min_face in MIN_FACES:
        same = compare_boxes(photos, min_face)
        console.print(
            f"boxes at min_face {min_face}: {same.faces} faces in {same.photos} photos, another number in "
            f"{same.other_counts}; IoU mean {same.overlaps[0]:.5f}, least {same.overlaps[1]:.5f}; landmarks "
            f"within {same.landmarks:.3f} pixels"
        )


def report_memory(photos: Sequence[Path], settings: Settings) -> None:
    """Run the stage on few and on many photos, and print time and memory."""
    runs = [run_program(photos, count, ()) for count in (FEW, settings.many)]
    for run in runs:
        console.print(
            f"{run.photos:6d} photos in {run.seconds:.0f} s with {cores()} workers, "
            f"{run.photos / run.seconds:.0f} photos/s with start and end; at most {run.peak:.0f} MB resident"
        )
    console.print(f"memory of {settings.many} photos over that of {FEW}: {runs[1].peak / runs[0].peak:.3f}")


def bench(settings: Settings) -> None:
    """Measure the parts asked for.

    Raises:
        ValueError: no photos.
    """
    listing = scan(settings.data)
    sound = listing.photos[listing.photos.problem == ""]
    rows: list[Photo] = [dict(zip(COLUMNS, row, strict=True)) for row in sound.itertuples(index=False)]
    files = [listing.folder / source_path(row["source"]) for row in rows]
    if {"detectors", "boxes"} & {*settings.parts}:
        every = max(1, len(files) // settings.boxes)
        photos = [reduce_photo(read_photo(path).pixels, 640) for path in files[::every][: settings.boxes]]
        if "detectors" in settings.parts:
            report_detectors([photo for photo in photos if photo.shape == photos[0].shape], settings)
        if "boxes" in settings.parts:
            report_boxes(photos)
    if "stage" in settings.parts:
        repeated = [{**rows[n % len(rows)], "position": n} for n in range(settings.photos)]
        report_stage(measure_stage(repeated, listing.folder, settings), settings)
    if "memory" in settings.parts:
        report_memory(files, settings)


def main() -> None:
    """The command line."""
    run_command(Settings, bench)
