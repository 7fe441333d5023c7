"""Wrong labels planted in a copy of a cache, so that it is known which are wrong."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from faces.cache.description import FINISHED
from faces.cache.reader import Cache
from faces.cache.tables import INDEX
from faces.factors import Factor, Number
from faces.labels import IntArray, LabelSet
from faces.storage.documents import write_document

_REJECTS: Final = "rejects.csv"


@dataclass(frozen=True)
class Planted:
    """Labels that were made wrong."""

    table: pd.DataFrame
    """The index with the wrong labels in it."""
    rows: Mapping[str, IntArray]
    """By factor: the rows whose label is wrong, of a factor that is one per person all of the person's."""
    counts: Mapping[str, int]
    """By factor: how many labels, of photos or of people, are wrong."""


def plant(index: pd.DataFrame, labels: LabelSet, share: float, seed: int) -> Planted:
    """Make a share of the labels of each factor wrong: another value, each with the same chance.

    Args:
        index: of a cache.
        labels: the factors; one that is one per person is made wrong in all photos of a person.
        share: of the labels, 0 to 1; at least one of each factor.
        seed: of the choice, which is a function of it, the factor's place and the labels.
    """
    table, rows, counts = index.copy(), {}, {}
    for place, factor in enumerate(labels.factors):
        codes = factor.codes(index[factor.name])
        known = np.flatnonzero(codes >= 0)
        present = np.unique(codes[known])
        if len(present) < 2:
            continue
        people = index["person"].to_numpy(object)[known] if factor.per == "person" else known
        units = pd.Series(known).groupby(people, sort=True)
        groups = [group.to_numpy(np.int64) for _, group in units]
        rng = np.random.default_rng((seed, place))
        chosen = rng.choice(len(groups), max(1, round(share * len(groups))), replace=False)
        values = table[factor.name].to_numpy().copy()
        for unit in sorted(chosen):
            others = present[present != codes[groups[unit][0]]]
            values[groups[unit]] = _label(factor, int(rng.choice(others)))
        table[factor.name] = values
        rows[factor.name] = np.concatenate([groups[unit] for unit in sorted(chosen)])
        counts[factor.name] = len(chosen)
    return Planted(table, rows, counts)


def _label(factor: Factor, code: int) -> float:
    """A label of a class: of a band of numbers its middle."""
    if not isinstance(factor, Number):
        return code
    ends = (factor.least, *factor.edges, factor.most)
    return (ends[code] + ends[code + 1]) / 2


def write_planted(cache: Cache, planted: Planted, folder: Path) -> Cache:
    """The cache with the wrong labels in its index, its shards linked.

    The crops are the same files, so features of a network that is not trained are computed once for all such
    copies. It is for this measurement alone: `make verify` says that index and shards differ.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    for shard in cache.description["shards"]:
        for suffix in (".tar", ".idx"):
            name = Path(shard["name"]).with_suffix(suffix)
            _link(cache.folder / "shards" / name, folder / "shards" / name)
    buffer = io.BytesIO()
    planted.table.to_parquet(buffer, index=False)
    rejects = (cache.folder / _REJECTS).read_bytes()
    tables = {INDEX: buffer.getvalue(), _REJECTS: rejects}
    for table, data in tables.items():
        (folder / table).write_bytes(data)
    files = {name: hashlib.sha256(data).hexdigest() for name, data in tables.items()}
    source = {**cache.description["source"], "fingerprint": files[INDEX]}
    write_document(folder / FINISHED, {**cache.description, "source": source, "files": files})
    return Cache.open(folder)


def _link(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
