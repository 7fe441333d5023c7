"""Which engine makes the shards of a run, on which device, by how many processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from faces.cache.writer import CacheWriter
from faces.cores import usable_cores
from faces.files import write_once
from preprocess.crop.matte import gpu_offered
from preprocess.detect.device import FEEDERS, FEWEST, choose_device, has_driver
from preprocess.detect.search import Device
from preprocess.engines.on_ray import cluster, run_on_ray
from preprocess.engines.pool import run_shards
from preprocess.settings import PreprocessSettings
from preprocess.shard import Report, Row, Tools
from preprocess.sources.listing import Listing
from preprocess.sources.scan import source_path

SEARCHED_ON: Final = "searched_on.txt"
"""Of an unfinished cache: the device that its faces are searched on, where that was measured."""


def run_engine(
    shards: Mapping[int, Sequence[Row]],
    tools: Tools,
    writer: CacheWriter,
    listing: Listing,
    report: Report,
    note: Callable[[str], None],
) -> dict[str, float]:
    """Have shards made by the engine of the settings.

    Args:
        shards: photos by shard number.
        tools: whose device and threads are still to be chosen.
        writer: of the cache.
        listing: all photos, some of which are measured.
        report: called as photos are done; what it raises ends the run.
        note: told what was measured.

    Returns:
        CPU seconds by kind of work.

    Raises:
        ValueError: Ray or a device that is asked for is not there.
        OSError: a shard could not be written, or a process was killed.
    """
    settings, cores, kept = tools.settings, usable_cores(), writer.folder / SEARCHED_ON
    sound = listing.photos.source[listing.photos.problem == ""]
    paths = [listing.folder / source_path(source) for source in sound]
    if settings.engine == "ray":
        with cluster(settings.ray_address, settings.workers or cores) as ray:
            if settings.device == "auto" and len(paths) >= FEWEST and not kept.is_file():
                write_once(kept, b"cuda" if ray.cluster_resources().get("GPU") else b"cpu")
            device = choose_device(settings, paths, cores, kept, note)
            return run_on_ray(ray, shards, replace(tools, device=device), writer, report, settings.workers)
    device = choose_device(settings, paths, cores, kept, note)
    workers, threads = _crew(settings, device, cores, len(shards))
    return run_shards(shards, replace(tools, device=device, threads=threads), writer, workers, report)


def _crew(settings: PreprocessSettings, device: Device, cores: int, shards: int) -> tuple[int, int]:
    """Processes, and threads of each that read: on a GPU each process takes a part of its memory and time for
    itself, so few have one, and several threads."""
    matting = settings.background != "keep" and settings.device != "cpu" and gpu_offered() and has_driver()
    shared = device == "cuda" or matting
    processes = min(settings.workers or (min(FEEDERS, cores) if shared else cores), shards)
    return processes, max(1, cores // processes) if shared else 1
