"""How the labelled photos of a cache are dealt to folds, and which of them are the same file."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.folds import Division, FoldScheme, divide_photos, fold_numbers
from faces.labels import IntArray
from train.data.beside import files_of_rows, split_of_rows


def check_fold(fold: int, folds: int, scheme: FoldScheme) -> None:
    """Refuse a fold that a scheme does not have.

    Raises:
        ValueError: with those that it has.
    """
    numbers = fold_numbers(scheme, folds)
    if fold not in numbers:
        known = f"they are numbered 0 to {folds - 1}" if len(numbers) > 1 else "fold 0 is the only one"
        raise ValueError(f"fold {fold}: with {folds} folds of scheme {scheme} {known}")


def divide_rows(cache: Cache, rows: IntArray, scheme: FoldScheme, folds: int, seed: int) -> Division:
    """The folds in which some rows validate, of which any label is known.

    Raises:
        ValueError: as `divide_photos`.
    """
    labels, names = cache.label_set, cache.columns("key", "person").iloc[rows]
    splits = split_of_rows(cache)
    return divide_photos(
        scheme,
        keys=names["key"],
        persons=names["person"],
        photos=cache.photos().iloc[rows],
        labels=labels,
        folds=folds,
        seed=seed,
        splits=None if splits is None else splits.iloc[rows],
        files=files_of_rows(cache).iloc[rows],
    )


def sides(
    dealt: IntArray, division: Division, left_out: Sequence[int]
) -> tuple[IntArray, IntArray, IntArray]:
    """Those of the dealt rows whose people are of the folds left out and validate, that take no part, and
    that train."""
    validates = np.isin(division.fold, left_out)
    unused = np.zeros(len(dealt), bool) if division.unused is None else division.unused
    return dealt[validates], dealt[unused], dealt[~validates & ~unused]


def same_file(files: pd.Series[str], rows: IntArray, others: IntArray) -> IntArray:
    """Those of some rows whose file is that of one of the other rows, byte for byte.

    Args:
        files: [n] of `files_of_rows`.
        rows: [m] asked about.
        others: [k] rows.
    """
    known = {*files.iloc[others]} - {""}
    return np.asarray(rows[files.iloc[rows].isin(known)])


def file_notes(
    cache: Cache, division: Division, scheme: FoldScheme, copies: IntArray, validates: IntArray
) -> tuple[str, ...]:
    """What is to be said of files that stand under several people, in sentences without a full stop.

    Args:
        cache: the photos.
        division: of the dealt ones.
        scheme: by which they were divided.
        copies: [m] rows that would train, but are the same files as rows that validate.
        validates: [k] those that do.
    """
    notes = []
    if division.linked:
        whom = "photos share their file" if scheme == "image" else "people share photos"
        notes.append(f"{division.linked:,} {whom} with others and were dealt together")
    if len(copies):
        parts = split_of_rows(cache)
        mine, theirs = (
            ["training", "validation"]
            if parts is None
            else [" and ".join(sorted({*parts.iloc[rows]})) for rows in (copies, validates)]
        )
        are = (
            "photo of {} is the same file as a photo"
            if len(copies) == 1
            else "photos of {} are the same files as photos"
        )
        notes.append(f"{len(copies):,} {are.format(mine)} of {theirs}: not trained on")
    return tuple(notes)
