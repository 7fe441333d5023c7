"""The whole of stage 1, ours and facenet-pytorch's in turns and on one device: speed and CPU time."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from bench.preprocess.detect import MIN_FACES, RIVAL
from bench.preprocess.facenet import facenet_stage
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from faces.terminal.progress import step_progress
from preprocess.detect.search import Device
from preprocess.engines.pool import run_shards
from preprocess.settings import PreprocessSettings
from preprocess.shard import Row as Photo
from preprocess.shard import Tools
from preprocess.sources.scan import source_path

FACENET = f"{RIVAL} one by one"
SHARD = 64


@dataclass(frozen=True)
class Round:
    """One run of the stage."""

    speed: float
    """Photos a second."""
    cpu: float
    """CPU ms a photo."""
    split: Mapping[str, float]
    """CPU ms a photo by kind of work."""


def run_stage(
    photos: Sequence[Photo], folder: Path, settings: PreprocessSettings, device: Device = "cpu"
) -> Round:
    """Run the stage on some photos, searching faces on a device, and throw the cache away.

    The clock runs from a fifth of the photos to nine tenths, so that imports and an idle worker at the end
    do not count.
    """
    shards = {n: photos[at : at + SHARD] for n, at in enumerate(range(0, len(photos), SHARD))}
    times = [(0.0, 0)]
    with tempfile.TemporaryDirectory() as place:
        writer = CacheWriter(
            Path(place, "cache"),
            settings=settings.crop_settings(),
            labels=CONTEST,
            source={},
            shard_count=len(shards),
        )
        spent = run_shards(
            shards,
            Tools(settings, folder, device=device),
            writer,
            settings.workers,
            lambda count, _: times.append((time.perf_counter(), times[-1][1] + count)),
        )
    clock, done = np.array(times).T
    first, last = np.searchsorted(done, (0.2 * len(photos), 0.9 * len(photos)))
    split = {what: seconds / len(photos) * 1e3 for what, seconds in spent.items()}
    return Round(float((done[last] - done[first]) / (clock[last] - clock[first])), sum(split.values()), split)


def measure_stage(
    photos: Sequence[Photo], folder: Path, *, device: Device, yunet: Path | None, repetitions: int
) -> dict[str, list[Round]]:
    """Rounds of every way of cropping, with 1 and 2 workers, in turns.

    Args:
        photos: of a round; facenet-pytorch gets an eighth of them.
        folder: the root of the photos.
        device: where all of them search faces.
        yunet: YuNet's model file, if it takes part: not beside a GPU, for it has only the CPU.
        repetitions: counted rounds.

    Returns:
        Rounds by the way's name, which ends in the number of workers.
    """
    plain = PreprocessSettings(data=folder, cache=Path("-"))
    ways = {f"ours, min_face {m}": replace(plain, min_face=m) for m in MIN_FACES}
    # What looking for sideways faces and keeping crops inside the photo cost.
    bare = replace(plain, steps=("mtcnn", "again"), clamp=False, border="repeat")
    ways[f"ours, min_face {bare.min_face}, nothing turned or clamped"] = bare
    if yunet and device == "cpu":
        ways["ours, YuNet only"] = replace(plain, steps=("yunet",), yunet=yunet)
    few = [folder / source_path(photo["source"]) for photo in photos[: max(16, len(photos) // 8)]]
    rounds: dict[str, list[Round]] = defaultdict(list)
    with step_progress("laps", console=Console(highlight=False)) as progress:
        bar = progress.add_task("stage", total=repetitions * 2)
        for _ in range(repetitions):
            for workers in (1, 2):
                with tempfile.TemporaryDirectory() as place:
                    speed, cpu = facenet_stage(few, Path(place), 256, workers, device)
                rounds[f"{FACENET}, {workers} w."].append(Round(speed, cpu, {}))
                for name, settings in ways.items():
                    own = run_stage(photos, folder, replace(settings, workers=workers), device)
                    rounds[f"{name}, {workers} w."].append(own)
                progress.advance(bar)
    return rounds
