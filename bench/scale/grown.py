"""Caches of any number of rows, made of one of few by hard links: its shards again and again."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.description import FINISHED
from faces.cache.reader import Cache
from faces.cache.tables import INDEX
from faces.files import write_atomically
from faces.storage.documents import write_document

OWN = ("key", "image_id", "source", "person")
"""Columns of text whose values stand once in an index, or once a person; those of a copy are told apart."""


def grow(cache: Cache, folder: Path, copies: int) -> Cache:
    """A cache of a cache's rows again and again, that opens and is read as one of stage 1 is.

    Its shards are hard links, so that it takes no room; `make verify` would say that the keys in them are
    not those of the index.

    Args:
        cache: of few rows, in shards of any number.
        folder: of the new cache, on the same file system.
        copies: how often its rows come.
    """
    (folder / "shards").mkdir(parents=True)
    shards = []
    for number, shard in enumerate([*cache.description["shards"]] * copies):
        name = f"{number:05d}.tar"
        os.link(cache.folder / "shards" / shard["name"], folder / "shards" / name)
        shards.append({**shard, "name": name})
    buffer = io.BytesIO()
    _index(cache, copies).to_parquet(buffer, index=False)
    write_atomically(folder / INDEX, buffer.getvalue())
    write_atomically(folder / "rejects.csv", (cache.folder / "rejects.csv").read_bytes())
    files = {**cache.description["files"], INDEX: hashlib.sha256(buffer.getvalue()).hexdigest()}
    status = {name: count * copies for name, count in cache.description["status"].items()}
    grown = {"samples": len(cache) * copies, "status": status, "files": files, "shards": shards}
    write_document(folder / FINISHED, {**cache.description, **grown})
    return Cache.open(folder, verify="full")


def _index(cache: Cache, copies: int) -> pd.DataFrame:
    index = cache.index
    rows = np.tile(np.arange(len(index)), copies)
    copy = np.repeat(np.arange(copies), len(index))
    grown = index.iloc[rows].reset_index(drop=True)
    prefixes = pd.Series(np.char.mod("%05d-", np.arange(copies))[copy])
    return grown.assign(
        position=np.arange(len(grown)),
        shard=grown["shard"] + copy * len(cache.description["shards"]),
        source_sha256=[f"{number:064x}" for number in range(len(grown))],
        **{name: prefixes + grown[name].astype(str) for name in OWN},
    )
