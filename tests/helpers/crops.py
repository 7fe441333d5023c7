"""A small cache of different photo crops, and loaders of it."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from skimage.data import astronaut

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from faces.storage.documents import write_document
from pipeline.loader import Loader

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
COUNT, SIZE = 37, 48


def write_cache(folder: Path, codec: str, damaged: Collection[int] = ()) -> Cache:
    """A cache of 37 different 48 x 48 crops in two shards, the same pixels whatever the codec.

    The damaged ones are stored cut in half, so that every recorded hash is right.
    """
    whole, samples = astronaut(), []
    for i in range(COUNT):
        buffer = io.BytesIO()
        Image.fromarray(whole[10 * i : 10 * i + SIZE, 5 * i : 5 * i + SIZE]).save(buffer, "JPEG", quality=95)
        data = buffer.getvalue()
        if codec == "raw":
            data = np.asarray(Image.open(buffer)).tobytes()
        if i in damaged:
            data = data[: len(data) // 2]
        fields = {"key": f"key-{i}", "position": i, "height": SIZE, "width": SIZE, "status": "detected"}
        samples.append(Sample(fields=fields, data=data))
    settings = {"codec": codec, "size": SIZE}
    writer = CacheWriter(folder, settings=settings, labels=CONTEST, source={}, shard_count=2)
    writer.write(0, samples[:20])
    writer.write(1, samples[20:])
    return writer.finish()


def loader(cache: Cache, rows: object = None, **changed: object) -> Loader:
    settings: dict = {"batch_size": 8, "image_size": 32, "mean": MEAN, "std": STD, "seed": 5} | changed
    return Loader(cache, np.arange(COUNT) if rows is None else rows, **settings)


def training(cache: Cache, rows: object = None, **changed: object) -> Loader:
    return loader(cache, rows, **({"policy": "strong", "shuffle": True} | changed))


def collect(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    images, rows = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(rows)


def with_index(cache: Cache, index: pd.DataFrame) -> Cache:
    """The cache with another index, described as if it had been written so."""
    index.to_parquet(cache.folder / "index.parquet", index=False)
    files = {**cache.description["files"], "index.parquet": file_sha256(cache.folder / "index.parquet")}
    description = {**cache.description, "files": files}
    write_document(cache.folder / "cache.json", description)
    return Cache(cache.folder, description)
