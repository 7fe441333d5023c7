"""Whether faces are searched on a GPU or on the cores: what a short measurement says is faster."""

from __future__ import annotations

import ctypes
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from faces.files import write_once
from faces.framing.face import reduce_photo
from faces.photos.files import BadPhoto
from preprocess.detect.queue import SearchQueue
from preprocess.detect.search import Device, Finder
from preprocess.settings import PreprocessSettings
from preprocess.sources.photo import Pixels, read_photo

FEEDERS: Final = 2
"""Processes that share a GPU: while one has crops cut, the other has photos searched."""
FEWEST: Final = 1000
"""Photos from which on it is measured: fewer are done before a GPU is ready."""
MEASURED: Final[dict[Device, int]] = {"cpu": 16, "cuda": 256}
"""Photos that are searched for the measurement."""
READING: Final = 3.0
"""Seconds after which no more photos are read for it."""


@dataclass(frozen=True)
class Costs:
    """Seconds that a photo takes."""

    read: float
    """To be read and decoded, of one core."""
    cpu: float
    """To be searched, of one core."""
    gpu: float
    """To be searched, of the GPU with one process that feeds it."""

    def speeds(self, cores: int) -> dict[Device, float]:
        """Photos a second that can be expected of each device, with `cores` to read photos in either case."""
        return {
            "cpu": cores / (self.read + self.cpu),
            "cuda": min(1 / self.gpu, cores / self.read),
        }


def choose_device(
    settings: PreprocessSettings,
    photos: Sequence[Path],
    cores: int,
    kept: Path,
    note: Callable[[str], None],
) -> Device:
    """Where the faces of a run are searched.

    Args:
        settings: whose device is taken unless it is `auto`.
        photos: all that the run is about.
        cores: that work beside each other.
        kept: file with what was measured before: boxes differ by rounding between devices, and a run that
            goes on ends with the bytes of one that was never stopped.
        note: called with a line on what was measured, or why the GPU is not used.
    """
    if settings.faces == "as_is" or {*settings.steps} <= {"yunet"}:
        return "cpu"  # nothing that a GPU could do
    if settings.device != "auto":
        return settings.device
    if len(photos) < FEWEST or (not has_driver() and not kept.is_file()):
        return "cpu"
    if not kept.is_file():
        write_once(kept, _measured(settings, photos, cores, note).encode())
    return kept_device(kept)


def kept_device(kept: Path) -> Device:
    """The device that was chosen for a cache: of several processes that chose at once, the first one's."""
    return "cuda" if kept.read_bytes() == b"cuda" else "cpu"


def _measured(
    settings: PreprocessSettings, photos: Sequence[Path], cores: int, note: Callable[[str], None]
) -> Device:
    some = photos[:: max(1, len(photos) // MEASURED["cuda"])][: MEASURED["cuda"]]
    try:
        # In a process of its own, so that this one keeps no memory of the GPU.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            speeds = pool.submit(measure, settings, some).result().speeds(cores)
    except (ValueError, RuntimeError, OSError) as error:  # a killed process is a RuntimeError
        reason = str(error).partition("\n")[0]
        note(f"faces are searched on the CPU, since the GPU could not be tried: {reason}")
        return "cpu"
    chosen: Device = "cuda" if speeds["cuda"] > speeds["cpu"] else "cpu"
    note(
        f"faces are searched on the {'GPU' if chosen == 'cuda' else 'CPU'}: about {speeds['cuda']:.0f} "
        f"photos/s are expected of the GPU, {speeds['cpu']:.0f} of {cores} cores (--device settles it)"
    )
    return chosen


def has_driver() -> bool:
    """Whether NVIDIA's driver is there, without which torch, which takes seconds to load, sees no GPU."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def measure(settings: PreprocessSettings, paths: Sequence[Path], gpu: Device = "cuda") -> Costs:
    """Read some photos and search them on one core and on the GPU, each time once before the clock runs.

    Raises:
        ValueError: the GPU cannot be used, or none of the photos can be read.
    """
    import cv2

    cv2.setNumThreads(1)
    photos: list[Pixels] = []
    start = time.perf_counter()
    for path in paths:
        with suppress(BadPhoto):
            photo = read_photo(path, max_megapixels=settings.max_megapixels)
            photos.append(reduce_photo(photo.pixels, settings.detect_size))
        if time.perf_counter() - start > READING:
            break
    if not photos:
        raise ValueError(f"{paths[0]} and others cannot be read")
    read = (time.perf_counter() - start) / len(photos)
    return Costs(read, _search(settings, "cpu", photos), _search(settings, gpu, photos))


def _search(settings: PreprocessSettings, device: Device, photos: Sequence[Pixels]) -> float:
    """Seconds a photo, by every step, photos of one size together as in a run."""
    finder = Finder(replace(settings, device=device))
    photos = photos[:: max(1, len(photos) // MEASURED[device])]
    spent = 0.0
    for _ in range(2):
        start = time.perf_counter()
        queue: SearchQueue[None] = SearchQueue(finder, finder.batch)
        for photo in photos:
            queue.add(None, photo, photo.nbytes)
        queue.rest()
        spent = time.perf_counter() - start
    return spent / len(photos)
