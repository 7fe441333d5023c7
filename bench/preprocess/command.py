"""`make bench-preprocess`: detectors, the whole stage, and its memory, beside facenet-pytorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from math import log
from pathlib import Path
from statistics import median
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from bench.measure import Row, write_report
from bench.preprocess.detect import MIN_FACES, compare_boxes, time_detectors
from bench.preprocess.memory import FEW, run_program
from bench.preprocess.stage import FACENET, Round, measure_stage
from faces.command import run_command
from faces.cores import usable_cores
from faces.framing.face import reduce_photo
from preprocess.detect.search import Device
from preprocess.sources.photo import Pixels, read_photo
from preprocess.sources.scan import scan, source_path

PACKAGES = ("torch", "facenet-pytorch", "opencv-python-headless", "numpy", "pillow")
Part = Literal["detectors", "boxes", "stage", "memory"]
PLACES: Mapping[Device, str] = {"cpu": "the CPU", "cuda": "the GPU"}
console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True, kw_only=True)
class BenchPreprocessSettings:
    """Measure detection and the whole of stage 1, beside facenet-pytorch as teams use it.

    Example: make bench-preprocess DATA=path/to/photos
    """

    data: Path = Path("demo/data/train")
    """Photos of one size, in any layout of stage 1; fewer than are needed are repeated."""
    yunet: Path | None = None
    """YuNet's model file, for its rows."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where both search faces, for the stage and its memory; auto takes the GPU where there is one. Detectors
    and boxes are always those of the CPU."""
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


def report_stage(
    rounds: Mapping[str, list[Round]], settings: BenchPreprocessSettings, device: Device
) -> None:
    """Print and write the rounds of `measure_stage` on a device."""
    base = median(own.speed for own in rounds[f"{FACENET}, 1 w."])
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
    conditions = {
        "photos": settings.photos,
        "repetitions": settings.repetitions,
        "device": device,
        "CPU ms a photo": splits,
    }
    write_report(
        settings.out,
        rows,
        conditions=conditions,
        versions={name: version(name) for name in PACKAGES},
        title=f"Photos to crops of 256, the whole stage, faces searched on {PLACES[device]}",
    )
    for name in (name for name in rounds if name.endswith(", 1 w.")):
        one, two = (median(own.speed for own in rounds[name[:-4] + f"{n} w."]) for n in (1, 2))
        console.print(f"{name[:-6]}: {two / one:.2f} times as fast with 2 workers as with 1")


def report_detectors(photos: Sequence[Pixels], settings: BenchPreprocessSettings) -> None:
    """Time the detectors and print it."""
    times = time_detectors(photos, settings.yunet, settings.repetitions)
    table = Table(title="Detection alone on the CPU, one thread, CPU ms a photo")
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


def report_memory(photos: Sequence[Path], settings: BenchPreprocessSettings, device: Device) -> None:
    """Run the stage on few and on many photos, and print time and memory."""
    runs = [run_program(photos, count, ("--device", device)) for count in (FEW, settings.many)]
    for run in runs:
        console.print(
            f"{run.photos:6d} photos in {run.seconds:.0f} s on {PLACES[device]} and {usable_cores()} cores, "
            f"{run.photos / run.seconds:.0f} photos/s with start and end; at most {run.peak:.0f} MB resident"
        )
    console.print(f"memory of {settings.many} photos over that of {FEW}: {runs[1].peak / runs[0].peak:.3f}")
    few, many = runs
    each = (many.cpu - few.cpu) / (many.photos - few.photos)
    console.print(
        f"core hours a million photos: {many.cpu / many.photos / 3600 * 1e6:.2f} with start and end, "
        f"{each / 3600 * 1e6:.2f} of each photo more; seconds grow with photos to the power of "
        f"{log(many.seconds / few.seconds) / log(many.photos / few.photos):.2f}"
    )


def bench(settings: BenchPreprocessSettings) -> None:
    """Measure the parts that the settings name.

    Raises:
        ValueError: no photos, or a GPU was demanded and cannot be used.
    """
    # torch takes seconds to import, which --help should not wait for.
    from train.engine.precision import choose_device

    device = choose_device(settings.device)
    listing = scan(settings.data)
    sound = listing.photos[listing.photos.problem == ""]
    rows: list[Any] = sound.to_dict("records")
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
        rounds = measure_stage(
            repeated,
            listing.folder,
            device=device,
            yunet=settings.yunet,
            repetitions=settings.repetitions,
        )
        report_stage(rounds, settings, device)
    if "memory" in settings.parts:
        report_memory(files, settings, device)


def main() -> None:
    """The command line."""
    run_command(BenchPreprocessSettings, bench)
