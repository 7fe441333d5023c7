"""Small caches of each codec, of pictures that are known."""

from collections.abc import Collection
from pathlib import Path

import numpy as np

from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from preprocess.crop.render import encode
from tests.helpers.pictures import picture

SIZE, COUNT = 32, 11


def crop(position: int, channels: int = 3) -> np.ndarray:
    """Another picture for each photo; a cut-out one has a mask too."""
    pixels = picture(SIZE, SIZE, seed=position)
    if channels == 3:
        return pixels
    return np.dstack([pixels, np.random.default_rng(position).integers(0, 256, (SIZE, SIZE), np.uint8)])


def write(folder: Path, codec: str, *, ageless: Collection[int] = (), **settings: str) -> Cache:
    """Photos 0 to 10 in two shards, in shuffled order, the fifth of them rejected; of those of the shards
    `ageless` no age is known."""
    channels = 4 if settings else 3
    writer = CacheWriter(
        folder,
        settings={"codec": codec, "size": SIZE, **settings},
        labels=CONTEST,
        source={"photos": COUNT},
        shard_count=2,
    )
    order = np.random.default_rng(0).permutation(COUNT).tolist()
    for shard in writer.pending():
        samples = []
        for position in order[shard::2]:
            fields = {
                "key": f"{position:08d}",
                "position": position,
                "mask": position % 3,
                "gender": position % 2,
                "age": float("nan") if shard in ageless else 20.5 + position,
                "height": SIZE,
                "width": SIZE,
                "face_box": [1.0, 2.0, 20.5, 30.25],
                "status": "detected",
            }
            data: bytes | None = encode(crop(position, channels), codec, 95)  # type: ignore[arg-type]
            if position == order[4]:
                fields |= {"status": "rejected", "reason": "empty file"}
                data = None
            samples.append(Sample(fields=fields, data=data))
        writer.write(shard, samples)
    return writer.finish()
