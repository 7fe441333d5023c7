"""`python -m bench.remote`: does an epoch wait for object storage?"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class BenchRemoteSettings:
    """Time epochs of a cache on this machine, and of the same at an address, of which nothing is here yet.

    Without an address it is put into an S3 server on this machine (`make setup EXTRAS="remote others"`),
    which takes a part of its cores.

    Example: make bench-remote CACHE=caches/train
    """

    cache: Path = Path("demo/caches/train")
    """A finished cache on this machine."""
    address: Path | None = None
    """Where the same cache lies already, such as s3://bucket/caches/train."""
    repetitions: int = 5
    """Counted rounds."""
    batch_size: int = 64
    """Photos a batch."""
    image_size: int = 224
    """Side of the images, pixels."""
    threads: int = 1
    """CPU threads of DALI."""
    out: Path = Path("bench/results/remote.json")
    """The report."""

    def __post_init__(self) -> None:
        if self.repetitions < 1:
            raise ValueError(f"repetitions={self.repetitions}: must be at least 1")


def bench(settings: BenchRemoteSettings) -> None:
    """Measure, print the table and write the report."""
    # torch and DALI take seconds to import, for which --help should not wait.
    from bench.measure import write_report
    from bench.remote.work import Task, race
    from faces.remote.stage import address_here

    given = address_here(settings.address) if settings.address else None
    if settings.address and given is None:
        raise ValueError(f"address={settings.address}: none; give one such as s3://bucket/caches/train")
    task = Task(settings.cache, settings.batch_size, settings.image_size, settings.threads)
    rows, megabytes = race(task, given, settings.repetitions)
    write_report(
        settings.out,
        rows,
        conditions={
            "crops": task.crops,
            "MB": round(task.bytes / 1e6, 1),
            "batch": task.batch_size,
            "pixels": task.image_size,
            "threads": task.threads,
            "repetitions": settings.repetitions,
            "store": "given" if given else "moto's S3 server on this machine",
            "MB/s that the store gives": megabytes,
        },
        versions={name: version(name) for name in ("nvidia-dali-cuda130", "fsspec", "s3fs")},
        title="A cold epoch at an address beside a local one",
    )


def main() -> None:
    """The command line."""
    run_command(BenchRemoteSettings, bench)
