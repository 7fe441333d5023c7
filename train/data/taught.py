"""Which classes a fold teaches and validates: none that people of the cache have goes untaught."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.reader import Cache
from faces.folds import FoldScheme
from faces.labels import UNKNOWN, IntArray
from train.data.beside import BoolArray
from train.data.soft_labels import trained_task
from train.recipe.data import SENIOR, Rows

DEALT: Final = ("person", "age_group", "holdout", "image")
"""Schemes whose folds are ours to deal, and no part of the data."""
_LISTED = 5


def kept_to_teach(
    cache: Cache,
    tasks: Sequence[str],
    scheme: FoldScheme,
    may_train: IntArray,
    validates: IntArray,
    files: pd.Series[str],
) -> tuple[IntArray, tuple[str, ...]]:
    """Rows that would validate, but must train, since no other photo teaches a class of theirs.

    Of each such class the first person by name is taken, with those who share a file with them, directly or
    by way of others; in scheme image the first photo by key. All other folds train on them anyway.

    Args:
        cache: with labels.
        tasks: that are trained.
        scheme: by which people were dealt; of schemes that follow the data nobody is taken.
        may_train: [m] rows that could train.
        validates: [k] rows that would validate.
        files: [len(cache)] of `files_of_rows`.

    Returns:
        Some of `validates`, ascending, and a line on each class.
    """
    mine = np.zeros(len(validates), bool)
    if scheme not in DEALT:
        return validates[mine], ()
    names = cache.columns("key" if scheme == "image" else "person").iloc[validates, 0].to_numpy()
    contents, notes = files.iloc[validates].to_numpy(), []
    for task in tasks:
        classes = cache.labels(task)
        here = classes[validates]
        for code in np.setdiff1d(here[here != UNKNOWN], classes[may_train]):
            if (here[mine] == code).any():
                continue
            first = min(names[here == code])
            mine |= _linked(names == first, names, contents)
            notes.append(
                f"{first} trains and does not validate: no other training photo is of {task}: "
                f"{cache.label_set.task(task).classes[code]}"
            )
    return validates[mine], tuple(notes)


def not_validated(cache: Cache, tasks: Sequence[str], training: IntArray, validation: IntArray) -> str:
    """Classes, as `task: class`, that train and of which no photo validates; the first five, "" for none."""
    missing = []
    for task in tasks:
        classes = cache.labels(task)
        codes = np.setdiff1d(classes[training], [*classes[validation], UNKNOWN])
        missing += [f"{task}: {cache.label_set.task(task).classes[code]}" for code in codes]
    if len(missing) > _LISTED:
        missing[_LISTED:] = [f"{len(missing) - _LISTED} more"]
    return ", ".join(missing)


def _linked(chosen: BoolArray, names: NDArray[Any], files: NDArray[Any]) -> BoolArray:
    """The chosen rows with all that hang together with them by name or file."""
    while True:
        known = {*files[chosen]} - {""}
        more = np.isin(names, names[chosen]) | np.isin(files, [*known])
        if (more == chosen).all():
            return chosen
        chosen = more


def training_classes(cache: Cache, task: str, senior_from: float = SENIOR) -> IntArray:
    """Classes that training gives each row: as `Cache.labels`, but an edge at 60 may lie lower.

    Args:
        cache: with labels.
        task: whose classes.
        senior_from: number from which a photo is taken for one of 60; at 60 nothing changes.

    Returns:
        [len(cache)] int64, -1 where not labelled or not the task's.
    """
    wanted = trained_task(cache.label_set.task(task), senior_from)
    return wanted.encode(cache.columns(*wanted.factors))


def absent_classes(cache: Cache, tasks: Sequence[str]) -> list[str]:
    """Classes, as `task: class`, that no photo of a cache has: nothing can teach or score them."""
    return [
        f"{task}: {name}"
        for task in tasks
        for code, name in enumerate(cache.label_set.task(task).classes)
        if not (cache.labels(task) == code).any()
    ]


def check_classes(
    cache: Cache,
    kept: IntArray,
    tasks: Sequence[str],
    rows: Rows,
    senior_from: float,
    fold: int,
    ordinary: BoolArray,
    scheme: FoldScheme,
) -> None:
    """Refuse a fold in which a class that the cache's ordinary photos have would never be shown.

    Raises:
        ValueError: naming the class and how many people are of it.
    """
    persons = cache.columns("person")["person"].to_numpy()
    mine = ordinary & (cache.labels(rows.only) != UNKNOWN) if rows.only else ordinary
    for task in tasks:
        classes = training_classes(cache, task, senior_from)
        missing = np.setdiff1d(classes[mine & (classes != UNKNOWN)], classes[kept])
        if len(missing):
            people = np.unique(persons[mine & (classes == missing[0])])
            raise ValueError(
                f"fold {fold}: none of its {len(kept)} training photos is of class "
                f"{cache.label_set.task(task).classes[missing[0]]!r} of task {task}; {len(people)} people of "
                f"the cache are: {_cure(rows, scheme)}"
            )


def _cure(rows: Rows, scheme: FoldScheme) -> str:
    """What to do where a class of the cache is not taught."""
    cures = ["train another task", "add such people"]
    if rows != Rows():
        cures.append("keep more in [rows]")
    cures.append("use another FOLD_SEED" if scheme in DEALT else "use FOLD_SCHEME=person")
    return f"{', '.join(cures[:-1])}, or {cures[-1]}"
