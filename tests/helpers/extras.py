"""What is trained on beside labelled photos: caches of extra ones, joins of caches, files of predictions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CLASS_NAMES, CONTEST
from preprocess.join_caches import join_caches
from tests.helpers.coloured import SETTINGS, coloured_sample


def write_extra(
    folder: Path, *, persons: Sequence[str], folds: Sequence[str] = (), **settings: object
) -> Cache:
    """A cache of three labelled photos of each of these people; column `extra` as `folds`, if given."""
    samples = []
    for number, person in enumerate(persons):
        for mask in range(3):
            sample = coloured_sample(3 * number + mask, number, mask, labelled=True)
            fields = {**sample.fields, "person": person, "image_id": f"{folder.name}-{number}-{mask}.png"}
            if folds:
                fields["extra"] = folds[number]
            samples.append(Sample(fields=fields, data=sample.data))
    writer = CacheWriter(
        folder,
        settings={**SETTINGS, **settings},
        labels=CONTEST,
        source={"photos": len(samples)},
        shard_count=1,
    )
    writer.write(0, samples)
    return writer.finish()


def joined(folder: Path, *caches: Cache, extra: Sequence[Cache] = ()) -> Cache:
    """These caches as one."""
    return join_caches([cache.folder for cache in caches], folder, [cache.folder for cache in extra])


def drawn(n: int, seed: int = 0) -> np.ndarray:
    """[n, 18] probabilities."""
    return np.random.default_rng(seed).dirichlet(np.full(18, 0.3), n)


def table(cache: Cache, probabilities: np.ndarray | None = None, **columns: object) -> pd.DataFrame:
    """Predictions of every photo of a cache; columns of None are left out."""
    values = drawn(len(cache)) if probabilities is None else probabilities
    known = pd.DataFrame(values.astype(np.float32), columns=[*CLASS_NAMES])
    known = known.assign(ImageID=cache.index["image_id"], ans=values.argmax(1), agreement=1.0)
    known = known.assign(**{name: value for name, value in columns.items() if value is not None})
    return known.drop(columns=[name for name, value in columns.items() if value is None])


def keyed(cache: Cache, probabilities: np.ndarray | None = None) -> pd.DataFrame:
    """The same with the photos' keys."""
    return table(cache, probabilities, key=cache.index["key"])


def write(folder: Path, predictions: pd.DataFrame) -> Path:
    """The predictions as a file in a folder."""
    predictions.to_parquet(folder / "p.parquet", index=False)
    return folder / "p.parquet"
