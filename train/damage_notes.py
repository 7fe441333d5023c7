"""What a fold trains and validates without: damaged crops, left out where the user allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.files import write_atomically
from faces.storage.cells import csv_bytes
from pipeline.damage import damage_table
from pipeline.loader import Loader
from train.data.rows import FoldRows
from train.engine.watch import Watch

SIDES = ("training", "validation")
COLUMNS = ("side", "key", "shard", "offset", "length", "reason")
"""Of skipped.csv."""


class DamageNotes:
    """Keeps skipped.csv of a run: side, key, shard, offset, length (bytes) and reason of each crop left out.

    What earlier commands noted stays: a resumed epoch may not meet again what it met before.

    Args:
        folder: the run's, there already.
        cache: that it reads.
        watch: hears of every crop that is new in the table.
    """

    def __init__(self, folder: Path, cache: Cache, watch: Watch) -> None:
        self.path = folder / "skipped.csv"
        self._cache, self._watch = cache, watch
        self._table = self._read() if self.path.is_file() else pd.DataFrame()

    def _read(self) -> pd.DataFrame:
        """What earlier commands noted; nothing where that is damaged: the training state tells it again."""
        try:
            table = pd.read_csv(self.path, dtype={"key": str})
            if [*table.columns] == [*COLUMNS]:
                return table
            reason = f"its columns are not {', '.join(COLUMNS)}"
        except ValueError as error:
            reason = next(iter(str(error).splitlines()), "")
        self._watch.say(
            f"{self.path}: not the list of crops left out ({reason}); written again as they are met"
        )
        return pd.DataFrame()

    def add(self, side: str, skipped: Mapping[int, str]) -> None:
        """Note rows of the cache with their reasons; `side` is one of `SIDES`."""
        found = damage_table(self._cache, skipped)
        found.insert(0, "side", side)
        known = set() if self._table.empty else {*self._table["key"]}
        fresh = found[~found["key"].isin(known)]
        if fresh.empty:
            return
        self._table = pd.concat([self._table, fresh], ignore_index=True)
        write_atomically(self.path, csv_bytes(self._table))
        first = fresh.iloc[0]
        self._watch.say(
            f"{self.path.parent.name}: {len(fresh)} {side} crops are damaged and left out, the first "
            f"is key {first.key} in {first['shard']} ({first.reason}); {self.path} lists all "
            f"{len(self._table)}"
        )


def without_damaged(
    cache: Cache, rows: FoldRows, image_size: int, device: str, notes: DamageNotes
) -> FoldRows:
    """The fold's rows without damaged validation crops, which are noted.

    They are looked for before training, so that every epoch is scored on the same photos, each exactly once,
    and with the decoder of the device that validates: what one forgives may end the other.

    Args:
        cache: that is trained on.
        rows: of the fold.
        image_size: side of the images, pixels.
        device: "cpu" or "cuda", on which the fold is trained.
        notes: of the run.

    Raises:
        ValueError: more of them are damaged than a loader leaves out.
    """
    plain = (0.5, 0.5, 0.5)
    loader = Loader(
        cache,
        rows.validation,
        batch_size=64,
        image_size=image_size,
        mean=plain,
        std=plain,
        device="gpu" if device == "cuda" else "cpu",
        on_damage="skip",
    )
    for _ in loader.epoch(0):
        pass
    notes.add("validation", loader.skipped)
    return replace(rows, validation=rows.validation[~np.isin(rows.validation, [*loader.skipped])])
