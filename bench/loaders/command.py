"""How fast the loader is beside others, on the same crops: each in a process of its own, taking turns."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from bench.loaders.report import Results, write_results
from bench.loaders.table import BASE, QUICK, RIVALS, RivalLoader
from bench.loaders.task import Task
from bench.measure import Row
from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.command import nearest, run_command
from pipeline.augment import policy_named

PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow", "opencv-python-headless")
SHARDS = 8
"""Shards of the copies that are made, so that the workers of every library can share them."""


@dataclass(frozen=True, kw_only=True)
class BenchLoadersSettings:
    """Measure the loader, for JPEG and for raw crops, beside others.

    Example: make bench CACHE=caches/mine
    """

    cache: Path = Path("demo/caches/train")
    """A finished cache, whose crops are used."""
    out: Path = Path("bench/results/loader.json")
    """The report; a picture is written beside it."""
    rivals: tuple[str, ...] = QUICK
    """Loaders to measure, or `all`; torchvision, with which all are compared, always takes part."""
    policies: tuple[str, ...] = ("strong",)
    """Augmentations, one after the other."""
    images: int = 2048
    """Crops an epoch; those of a smaller cache are repeated, and slow loaders get an eighth to a half."""
    batch_size: int = 64
    """Images a batch."""
    image_size: int = 224
    """Side of the images made, pixels."""
    threads: int = 2
    """DALI's threads, and the others' worker processes or threads."""
    repetitions: int = 5
    """Counted rounds, after one to warm up."""

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "threads", "repetitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for policy in self.policies:
            policy_named(policy)
        known = [rival.name for rival in RIVALS]
        for name in self.rivals:
            if name not in (*known, "all"):
                raise ValueError(f"no rival {name!r}: {nearest(name, known)}")

    def chosen(self) -> list[RivalLoader]:
        """The rivals to be measured."""
        return [rival for rival in RIVALS if rival.name in (BASE, *self.rivals) or "all" in self.rivals]

    def epoch_of(self, rival: RivalLoader) -> int:
        """Crops in the rival's epoch: its share in whole batches, the same number for every worker."""
        step = self.batch_size * self.threads
        return max(1, round(self.images * rival.share / step)) * step

    def task_of(self, rival: RivalLoader, policy: str, crop: int, folder: Path) -> Task:
        """What the rival is to do with the crops of `crop` pixels that are stored in `folder`."""
        own = folder / rival.name
        own.mkdir(exist_ok=True)
        images = self.epoch_of(rival)
        return Task(
            jpeg=folder / f"jpeg{images}",
            raw=folder / "raw",
            codec=rival.codec,
            folder=own,
            images=images,
            crop=crop,
            image_size=self.image_size,
            batch_size=self.batch_size,
            workers=self.threads,
            policy=policy,
        )


def bench(settings: BenchLoadersSettings) -> Results:
    """Run the benchmark and write its report.

    Raises:
        ValueError: no finished cache to take crops from, or torchvision, the measure of all, failed.
    """
    try:
        cache = Cache.open(settings.cache)
    except CacheError as error:
        raise ValueError(f"{error}; or let `make bench` draw people, as it does without CACHE=") from error
    # torch and DALI take seconds to import, which neither --help nor a mistake above should wait for.
    from nvidia.dali import __version__ as dali_version

    from bench.loaders.race import absent, start, stored_as, take_turns

    console = Console(highlight=False)
    chosen = settings.chosen()
    missing = absent(chosen)
    rows: dict[str, list[Row]] = {}
    versions = {"nvidia-dali": dali_version} | {name: version(name) for name in PACKAGES}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with console.status("storing the crops"):
            for images in sorted({settings.epoch_of(rival) for rival in chosen}):
                stored_as(cache, "jpeg", folder / f"jpeg{images}", images, SHARDS)
            stored_as(cache, "raw", folder / "raw", images, SHARDS)
        for policy in settings.policies:
            processes = {
                rival.name: start(rival, settings.task_of(rival, policy, cache.size, folder))
                for rival in chosen
                if rival.name not in missing
            }
            with console.status(f"starting {len(processes)} loaders"):
                for process in processes.values():
                    versions |= process.ready()
            rows[policy] = take_turns(processes, settings.repetitions)
            missing |= {name: process.problem for name, process in processes.items() if process.problem}
    results = Results(rows=rows, missing=missing, versions=versions, conditions=_conditions(settings, cache))
    write_results(settings.out, results)
    return results


def _conditions(settings: BenchLoadersSettings, cache: Cache) -> dict[str, int]:
    return {
        "images": settings.images,
        "distinct crops": min(settings.images, len(cache)),
        "crop": cache.size,
        "image": settings.image_size,
        "batch": settings.batch_size,
        "threads": settings.threads,
        "repetitions": settings.repetitions,
    }


def main() -> None:
    """The command line."""
    run_command(BenchLoadersSettings, bench)
