"""How fast the loader is beside others, on the same crops: each in a process of its own, taking turns."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from nvidia.dali import __version__ as dali_version
from PIL import Image
from rich.console import Console

from bench.loaders.install import FAILED, PYTHON
from bench.loaders.process import RivalProcess
from bench.loaders.report import Results, write_results
from bench.loaders.table import BASE, PEERS, QUICK, Peer
from bench.loaders.task import Task
from bench.measure import Rival, Row, measure
from faces.cache import Cache, CacheError, Codec
from faces.command import nearest, run_command
from faces.tar import Sample
from faces.writer import DETECTED, CacheWriter
from pipeline.augment import policy_named

PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow", "opencv-python-headless")
SHARDS = 8
"""Of the copies that are made, so that the workers of every library can share them."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure the loader, for JPEG and for raw crops, beside others."""

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
        known = [peer.name for peer in PEERS]
        for name in self.rivals:
            if name not in (*known, "all"):
                raise ValueError(f"no rival {name!r}: {nearest(name, known)}")

    @property
    def peers(self) -> list[Peer]:
        """The rivals asked for."""
        return [peer for peer in PEERS if peer.name in (BASE, *self.rivals) or "all" in self.rivals]

    def epoch_of(self, peer: Peer) -> int:
        """Crops in the rival's epoch: its share in whole batches, the same number for every worker."""
        step = self.batch_size * self.threads
        return max(1, round(self.images * peer.share / step)) * step


def stored_as(cache: Cache, codec: Codec, folder: Path, images: int, shards: int = 1) -> Cache:
    """The same crops in a new cache of another codec, without labels.

    Args:
        cache: where the crops come from; repeated if there are fewer than `images`.
        codec: of the new cache; crops become JPEGs of quality 95 unless they are JPEGs already.
        folder: of the new cache.
        images: crops in it.
        shards: into which they are divided.
    """
    settings = {"codec": codec, "size": cache.size}
    writer = CacheWriter(folder, settings=settings, source={}, shard_count=shards)
    for shard, numbers in enumerate(np.array_split(np.arange(images), shards)):
        samples = []
        for number in numbers.tolist():
            (stored,) = cache.encoded(np.array([number % len(cache)]))
            fields = {"key": f"{number:06d}", "position": number, "height": cache.size, "width": cache.size}
            data = _recoded(stored, cache.codec, codec)
            samples.append(Sample(fields={**fields, "status": DETECTED}, data=data))
        writer.write(shard, samples)
    return writer.finish()


def _recoded(stored: np.ndarray, codec: Codec, wanted: Codec) -> bytes:
    if codec == wanted:
        return stored.tobytes()
    if wanted == "raw":
        return np.asarray(Image.open(io.BytesIO(stored.tobytes())).convert("RGB")).tobytes()
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def start(peers: Sequence[Peer], settings: Settings, policy: str, folder: Path) -> dict[str, RivalProcess]:
    """Start these rivals, each in a process of its own; what they read must lie in `folder`."""
    processes = {}
    for peer in peers:
        images = settings.epoch_of(peer)
        own = folder / peer.name
        own.mkdir(exist_ok=True)
        task = Task(
            jpeg=folder / f"jpeg{images}",
            raw=folder / "raw",
            codec=peer.codec,
            folder=own,
            images=images,
            crop=Cache.open(folder / f"jpeg{images}").size,
            image_size=settings.image_size,
            batch_size=settings.batch_size,
            workers=settings.threads,
            policy=policy,
        )
        python = PYTHON if peer.packages else Path(sys.executable)
        processes[peer.name] = RivalProcess(python, peer.module, task, peer.packages)
    return processes


def run_policy(processes: dict[str, RivalProcess], repetitions: int) -> list[Row]:
    """Let the rivals run in turns, and end them."""
    try:
        rivals = [Rival(name=name, work=process.run) for name, process in processes.items()]
        return measure(rivals, repetitions=repetitions, compared_with=BASE)
    finally:
        for process in processes.values():
            process.stop()


def absent(peers: Sequence[Peer]) -> dict[str, str]:
    """Why some of these cannot take part, by name."""
    failed = json.loads(FAILED.read_text()) if FAILED.is_file() else None
    reasons = {}
    for peer in peers:
        if peer.gpu and not torch.cuda.is_available():
            reasons[peer.name] = "torch sees no GPU here"
        if peer.packages and failed is None:
            reasons[peer.name] = "not installed; `make bench-peers` does it"
        for package in peer.packages:
            if failed and package in failed:
                reasons[peer.name] = f"{package} could not be installed: {failed[package]}"
    return reasons


def bench(settings: Settings) -> Results:
    """Run the benchmark and write its report.

    Raises:
        ValueError: no finished cache to take crops from, or torchvision, the measure of all, failed.
    """
    try:
        cache = Cache.open(settings.cache)
    except CacheError as error:
        raise ValueError(f"{error}; or run `make demo`, whose crops are used by default") from error
    console = Console(highlight=False)
    missing = absent(settings.peers)
    rows: dict[str, list[Row]] = {}
    versions = {"nvidia-dali": dali_version} | {name: version(name) for name in PACKAGES}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with console.status("storing the crops"):
            for images in sorted({settings.epoch_of(peer) for peer in settings.peers}):
                stored_as(cache, "jpeg", folder / f"jpeg{images}", images, SHARDS)
            stored_as(cache, "raw", folder / "raw", images, SHARDS)
        for policy in settings.policies:
            peers = [peer for peer in settings.peers if peer.name not in missing]
            processes = start(peers, settings, policy, folder)
            with console.status(f"starting {len(peers)} loaders"):
                for process in processes.values():
                    versions |= process.ready()
            rows[policy] = run_policy(processes, settings.repetitions)
            missing |= {name: process.problem for name, process in processes.items() if process.problem}
    results = Results(rows=rows, missing=missing, versions=versions, conditions=_conditions(settings, cache))
    write_results(settings.out, results)
    return results


def _conditions(settings: Settings, cache: Cache) -> dict[str, int]:
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
    run_command(Settings, bench)
