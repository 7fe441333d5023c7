"""How fast the loader is beside a torchvision DataLoader, on the same crops with full augmentation."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nvidia.dali import __version__ as dali_version
from PIL import Image

from faces.cache import Cache, CacheError, Codec
from faces.measure import Rival, Row, measure, write_report
from faces.settings import run_command
from faces.tar import Sample
from faces.writer import DETECTED, CacheWriter
from pipeline.augment import policy_named
from pipeline.loader import Loader
from pipeline.peers import synthetic_batches, torchvision_loader, torchvision_transforms

PACKAGES = ("torch", "torchvision", "numpy", "numba", "pillow")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure the loader, for JPEG and for raw crops, beside a torchvision DataLoader."""

    cache: Path = Path("demo/caches/train")
    """A finished cache, whose crops are used."""
    out: Path = Path("bench/loader.json")
    """The report; a picture is written beside it."""
    images: int = 1024
    """Crops an epoch; those of a smaller cache are repeated."""
    batch_size: int = 64
    """Images a batch."""
    image_size: int = 224
    """Side of the images made, pixels."""
    policy: str = "full"
    """Augmentation."""
    threads: int = 2
    """DALI's threads, and the DataLoader's worker processes."""
    repetitions: int = 5
    """Counted rounds, after one to warm up."""

    def __post_init__(self) -> None:
        for name in ("images", "batch_size", "threads", "repetitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        policy_named(self.policy)


def stored_as(cache: Cache, codec: Codec, folder: Path, images: int) -> Cache:
    """The same crops in a new cache of another codec, without labels.

    Args:
        cache: where the crops come from; repeated if there are fewer than `images`.
        codec: of the new cache; crops become JPEGs of quality 95 unless they are JPEGs already.
        folder: of the new cache.
        images: crops in it.
    """
    samples = []
    for number in range(images):
        (stored,) = cache.encoded(np.array([number % len(cache)]))
        data = stored.tobytes()
        if codec != cache.codec and codec == "raw":
            data = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).tobytes()
        elif codec != cache.codec:
            buffer = io.BytesIO()
            Image.fromarray(stored).save(buffer, "JPEG", quality=95)
            data = buffer.getvalue()
        fields = {"key": f"{number:06d}", "position": number, "height": cache.size, "width": cache.size}
        samples.append(Sample(fields={**fields, "status": DETECTED}, data=data))
    settings = {"codec": codec, "size": cache.size}
    writer = CacheWriter(folder, settings=settings, source={}, shard_count=1)
    writer.write(0, samples)
    return writer.finish()


def _drain(batches: Iterable[Any]) -> int:
    """Take every batch; how many images they were."""
    return sum(len(batch[0]) if isinstance(batch, tuple) else len(batch) for batch in batches)


def loader_rivals(jpeg: Cache, raw: Cache, settings: Settings) -> list[Rival]:
    """Our loader for both codecs, torchvision's, and the ceiling."""

    def ours(name: str, cache: Cache) -> Rival:
        loader = Loader(
            cache,
            np.arange(len(cache)),
            batch_size=settings.batch_size,
            image_size=settings.image_size,
            mean=MEAN,
            std=STD,
            policy=settings.policy,
            shuffle=True,
            threads=settings.threads,
        )
        epochs = count()
        return Rival(name=name, work=lambda: _drain(loader.epoch(next(epochs))))

    transforms = torchvision_transforms(policy_named(settings.policy), settings.image_size, MEAN, STD)
    peer = torchvision_loader(jpeg, transforms, batch_size=settings.batch_size, workers=settings.threads)
    size = (settings.images, settings.batch_size, settings.image_size)
    return [
        Rival(name="torchvision", work=lambda: _drain(peer)),
        ours("ours jpeg", jpeg),
        ours("ours raw", raw),
        Rival(name="synthetic", work=lambda: synthetic_batches(*size)),
    ]


def bench(settings: Settings) -> list[Row]:
    """Run the benchmark and write its report.

    Raises:
        ValueError: no finished cache to take crops from.
    """
    try:
        cache = Cache.open(settings.cache)
    except CacheError as error:
        raise ValueError(f"{error}; or run `make demo`, whose crops are used by default") from error
    torch.set_num_threads(1)  # so that torch does not take the cores that are being measured
    with tempfile.TemporaryDirectory() as folder:
        jpeg = stored_as(cache, "jpeg", Path(folder, "jpeg"), settings.images)
        raw = stored_as(cache, "raw", Path(folder, "raw"), settings.images)
        rivals = loader_rivals(jpeg, raw, settings)
        rows = measure(rivals, repetitions=settings.repetitions, compared_with="torchvision")
    conditions = {
        "images": settings.images,
        "distinct crops": min(settings.images, len(cache)),
        "crop": cache.size,
        "image": settings.image_size,
        "batch": settings.batch_size,
        "policy": settings.policy,
        "threads": settings.threads,
        "repetitions": settings.repetitions,
    }
    write_report(
        settings.out,
        rows,
        conditions=conditions,
        versions={"nvidia-dali": dali_version} | {name: version(name) for name in PACKAGES},
        title=f"Crops of {cache.size} to batches of {settings.image_size}, policy {settings.policy}",
    )
    return rows


def main() -> None:
    """The command line."""
    run_command(Settings, bench)
