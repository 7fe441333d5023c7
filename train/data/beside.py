"""Photos of a cache that are not dealt to its folds, extra and unlabelled ones, and where they may train."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow import parquet

from faces.cache.reader import Cache
from faces.folds import EXTRA, SPLIT, FoldScheme
from faces.labels import IntArray

BoolArray = NDArray[np.bool_]


def extra_folds(cache: Cache, folds: int) -> NDArray[np.object_]:
    """[len(cache)] the cache's column `EXTRA`, "" where it has none.

    Raises:
        ValueError: it names something else than one of so many folds.
    """
    path = cache.folder / "index.parquet"
    if EXTRA not in parquet.read_schema(path).names:
        return np.full(len(cache), "", object)
    extra = cache.columns(EXTRA)[EXTRA].to_numpy(object)
    strange = {*extra} - {"", "all", *(f"fold{number}" for number in range(folds))}
    if strange:
        raise ValueError(
            f"{path}: column {EXTRA!r} says {min(strange, key=str)!r}; with {folds} folds it may be empty, "
            f"all, or fold0 to fold{folds - 1}: train as many folds as those photos were made for"
        )
    return extra


def beside_rows(
    cache: Cache,
    files: pd.Series[str],
    dealt: BoolArray,
    extra: NDArray[np.object_],
    held: BoolArray,
    left_out: Sequence[int],
) -> BoolArray:
    """[len(cache)] whether a photo that was not dealt may train in a fold.

    Args:
        cache: with people.
        files: of `files_of_rows`.
        dealt: [len(cache)] photos that were.
        extra: of `extra_folds`.
        held: [len(cache)] rows that must not train, nor any photo of their people or of the same file.
        left_out: the folds whose people validate. What was made for one fold alone trains only where no other
            is left out with it: of the others' people it may know.
    """
    people = cache.columns("person")["person"]
    known = people[held & (people != "")]
    copies = files.isin({*files[held]} - {""})
    mine = np.isin(extra, ["", "all", f"fold{'-'.join(map(str, left_out))}"]) & ~dealt
    return np.asarray(mine & ~held & ~people.isin(known) & ~copies)


def files_of_rows(cache: Cache) -> pd.Series[str]:
    """[len(cache)] hashes of the photos' files, "" where not known."""
    return cache.columns("source_sha256")["source_sha256"].fillna("")


def split_of_rows(cache: Cache) -> pd.Series[str] | None:
    """The cache's column `SPLIT`, where it has one."""
    if SPLIT not in parquet.read_schema(cache.folder / "index.parquet").names:
        return None
    return cache.columns(SPLIT)[SPLIT]


def of_trained_splits(cache: Cache, trains: IntArray, scheme: FoldScheme) -> BoolArray:
    """[len(cache)] whether a photo came in a part of the data that rows which train came in, or in none."""
    splits = split_of_rows(cache) if scheme in ("split", "split_folds") else None
    if splits is None:
        return np.ones(len(cache), bool)
    return splits.isin({*splits.iloc[trains], ""}).to_numpy()
