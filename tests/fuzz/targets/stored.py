"""Sealed documents and tables."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd

from faces.storage.documents import DamagedError, document, read_document
from faces.storage.tables import read_table, table_bytes
from tests.fuzz.mutate import mutate
from tests.fuzz.sealing import resealed
from tests.fuzz.structure import changed, odd_value
from tests.fuzz.target import Case, Target, placed

CURE = "make it again"
TABLE = {
    "version": 1,
    "settings": {"size": 16, "codec": "jpeg", "steps": ["mtcnn", "yunet"], "margin": 0.25, "clamp": True},
    "status": {"detected": 5},
    "shards": [{"name": "00000.tar", "bytes": 1024, "sha256": "0" * 64}],
}


def documents() -> Target:
    """`read_document`."""
    seed = document(TABLE)

    def make(random: Random) -> Case:
        if random.random() < 0.4:
            data = json.dumps(changed(json.loads(seed), random)).encode()
        else:
            data = mutate(seed, [seed], random)
        return Case("document.json", resealed(data) if random.random() < 0.8 else data)

    def read(case: Case, folder: Path) -> None:
        read_document(placed(case, folder), CURE)

    return Target(make=make, read=read, refuses=(DamagedError,))


def tables() -> Target:
    """`read_table` of the sealed kind."""
    seed = table_bytes(_rows(), {"weights": "0" * 64})

    def make(random: Random) -> Case:
        odd = random.random() < 0.2
        data = odd_parquet(_rows(), random) if odd else mutate(seed, [seed], random)
        return Case("table.parquet", resealed(data) if random.random() < 0.8 else data)

    def read(case: Case, folder: Path) -> None:
        path = placed(case, folder)
        read_table(path, CURE, ["key", "probability"])
        read_table(path, CURE)

    return Target(make=make, read=read, refuses=(DamagedError,))


def _rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": ["a", "b", "c"],
            "position": [0, 1, 2],
            "probability": np.array([0.25, 0.5, 0.75], np.float32),
            "box": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]],
        }
    )


def odd_parquet(table: pd.DataFrame, random: Random) -> bytes:
    """A sound Parquet file of a table with odd cells, columns or rows, without a seal."""
    for _ in range(random.choice((1, 1, 2))):
        name = random.choice([*table.columns])
        how = random.choice(("cell", "column", "drop", "rename", "repeat", "none", "index"))
        if how == "cell":
            cells = table[name].astype(object).tolist()
            cells[random.randrange(len(cells))] = odd_value(random)
            table = table.assign(**{name: pd.Series(cells, dtype=object, index=table.index)})
        elif how == "column":
            same = pd.Series([odd_value(random)] * len(table), dtype=object, index=table.index)
            table = table.assign(**{name: same})
        elif how == "drop" and len(table.columns) > 1:
            table = table.drop(columns=name)
        elif how == "rename":
            table = table.rename(columns={name: random.choice(("", "a\nb", name.upper(), "key "))})
        elif how == "repeat":
            table = pd.concat([table, table.iloc[random.randrange(len(table)) :]])
        elif how == "none":
            table = table.iloc[: random.randrange(len(table)) + 1]
        else:
            table = table.set_index(pd.Index(range(7, 7 + len(table))))
        if not table.columns.is_unique:
            break
    buffer = io.BytesIO()
    try:
        table.to_parquet(buffer)
    except Exception:  # what no Parquet file can hold
        return b"PAR1"
    return buffer.getvalue()
