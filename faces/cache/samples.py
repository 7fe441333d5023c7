"""The samples of a shard's files against their rows in a table: each sample's JSON has the same values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faces.cache.tables import PLACES


def differing_columns(meta: Mapping[str, Any], row: Mapping[Any, Any]) -> list[str]:
    """Names of the columns in which a sample's JSON is not its row, but for those of its place."""
    names = {*meta, *row} - {*PLACES}
    return [name for name in sorted(names) if _plain(meta.get(name)) != _plain(row.get(name))]


def wrong_sample(rows: pd.DataFrame, tar: Path, idx: Path) -> str:
    """What is wrong with the rows of a shard by its own files, in words; "" for nothing.

    Args:
        rows: the shard's crops in their order, with all columns of the index.
        tar: the shard, as it was written.
        idx: DALI's index of it, as it was written.
    """
    lines = idx.read_text(encoding="utf-8").splitlines()[1:]
    if len(lines) != len(rows):
        return f"{len(rows)} crops where {tar.name} has {len(lines)}"
    with tar.open("rb") as shard:
        for line, row in zip(lines, rows.to_dict("records"), strict=True):
            _, data_at, size, name, _, meta_at, meta_size, _ = line.split(" ")
            shard.seek(int(meta_at))
            meta = json.loads(shard.read(int(meta_size)))
            # A column that is gone would be as good as one in which nothing is known.
            wrong = [*sorted({*meta} - {*row}), *differing_columns(meta, row)]
            places = {"offset": int(data_at), "length": int(size)}
            wrong += [column for column, place in places.items() if row.get(column) != place]
            if wrong:
                return f"{wrong[0]} of {name.rpartition('.')[0]} is not as in {tar.name}"
    return ""


def _plain(value: Any) -> Any:
    """A value of a table as JSON would hold it: lists instead of arrays, None instead of NaN."""
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is pd.NaT or value is pd.NA or value != value else value
