"""Which rows of a cache train a fold and which validate it.

The people of a cache are divided, all of whom any label is known, whatever the tasks. So recipes of different
tasks see the same people, but for those whom one needs to train on (`kept_to_teach`). Of those who do not
validate the photos labelled for at least one task train; of the others those of which at least one task is
known validate. Extra photos (`EXTRA`) are never dealt to folds: the ordinary people are divided as if there
were none. They never validate, and train in their folds but where their person, or the same file, validates.
Where the data came divided, photos that train leave out those whose file also validates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.reader import Cache
from faces.folds import Division, FoldScheme
from faces.labels import UNKNOWN, IntArray
from faces.projection import covers
from train.data.beside import BoolArray, beside_rows, extra_folds, files_of_rows, of_trained_splits
from train.data.dealing import check_fold, divide_rows, file_notes, same_file, sides
from train.data.taught import check_classes, kept_to_teach
from train.recipe.data import SENIOR, Rows
from train.recipe.fit import number_meant

_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class FoldRows:
    """The two sides of a fold; no file is on both, and no person, but in scheme image."""

    training: IntArray
    """Rows labelled for at least one of the tasks and kept by the recipe's `rows`, extra ones among them."""
    validation: IntArray
    """The rows of the fold's people of which all factors of at least one task are known, in the cache's
    order; none in scheme everything."""
    prior: Mapping[str, tuple[float, ...]]
    """Shares of the classes among all of the training people's photos, the recipe's `rows` or not: of the
    labels' headline task where it is known of any and of those tasks that do not follow from it, such as age
    at other edges, but for the labels' named ones; else of each of the tasks. Each is among the photos of
    which it is known. Extra ones do not count."""
    unlabelled: IntArray = field(default_factory=_NO_ROWS.copy)
    """Rows that may train but of which no task is known, so that a teacher may label them."""
    by: tuple[str, ...] = ()
    """Factors over whose values the folds' people are spread evenly."""
    not_by: Mapping[str, str] = field(default_factory=dict)
    """Why, of each other factor."""
    notes: tuple[str, ...] = ()
    """What is to be said of files that stand under several people, and of who must train."""

    @property
    def identity(self) -> str:
        """Hex sha256 over both sides' row numbers."""
        sides = [np.ascontiguousarray(side, "<i8").tobytes() for side in (self.training, self.validation)]
        return hashlib.sha256(b"|".join(sides)).hexdigest()


def fold_rows(
    cache: Cache,
    tasks: Sequence[str],
    *,
    fold: int,
    folds: int,
    seed: int,
    scheme: FoldScheme = "person",
    rows: Rows = Rows(),
    senior_from: float = SENIOR,
    also_out: Sequence[int] = (),
    without: IntArray | None = None,
) -> FoldRows:
    """The rows of a fold, as the head of this file says.

    Args:
        cache: with labels.
        tasks: what is trained.
        fold: whose people validate, one of the scheme's: 0 to folds - 1, or 0.
        folds: into which the people are divided.
        seed: which of the many such divisions.
        scheme: how they are divided.
        rows: which of the training rows to keep; validation rows are never left out.
        senior_from: number from which training counts a photo as 60 or more.
        also_out: other folds whose people validate here too, and do not train. The division stays as it is.
        without: [m] rows that take no part either, kept apart for a test on neither side.

    Raises:
        ValueError: no labels, a `fold` that the scheme does not have, folds that the people do not allow, no
            row left on a side, a class of the cache without a training photo, or extra photos of no known
            fold.
    """
    left_out = (fold, *also_out)
    for number in left_out:
        check_fold(number, folds, scheme)
    dealing = _deal(cache, folds, seed, scheme, left_out, _NO_ROWS if without is None else without)
    validates, trains = dealing.validates, dealing.trains
    may_train = dealing.allowed(validates, trains)[2]
    moved, notes = kept_to_teach(cache, tasks, scheme, may_train, validates, dealing.files)
    validates, trains = np.setdiff1d(validates, moved), np.sort(np.concatenate([trains, moved]))
    copies, trains, may_train = dealing.allowed(validates, trains)
    kept = _keep(cache, may_train, tasks, rows, fold)
    check_classes(cache, kept, tasks, rows, senior_from, fold, dealing.ordinary, scheme)
    known = np.any([cache.known(task) for task in tasks], axis=0)
    _check_validation(validates[known[validates]], tasks, scheme, fold)
    return FoldRows(
        training=kept,
        validation=validates[known[validates]],
        prior=_prior(cache, trains, tasks),
        unlabelled=may_train[~known[may_train]],
        by=dealing.division.by,
        not_by=dealing.division.not_by,
        notes=(*file_notes(cache, dealing.division, scheme, copies, validates), *notes),
    )


@dataclass(frozen=True, kw_only=True)
class _Dealing:
    """Rows of the two sides as they were dealt, and what else decides who may train beside them."""

    cache: Cache
    scheme: FoldScheme
    left_out: Sequence[int]
    division: Division
    validates: IntArray
    trains: IntArray
    unused: IntArray
    """Dealt, but on neither side."""
    held: BoolArray
    """[len(cache)] rows kept apart for a test."""
    labelled: BoolArray
    """[len(cache)] rows of which anything is known."""
    extra: NDArray[np.object_]
    """Of `extra_folds`."""
    files: pd.Series[str]
    """Of `files_of_rows`."""

    @property
    def ordinary(self) -> BoolArray:
        """[len(cache)] rows that take part and are no extra ones."""
        ordinary: BoolArray = self.extra == ""
        ordinary[self.unused] = False
        return ordinary

    def allowed(self, validates: IntArray, trains: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Copies among those that train, the others, and these with photos beside them."""
        copies = same_file(self.files, trains, np.concatenate([validates, np.flatnonzero(self.held)]))
        trains, taken = np.setdiff1d(trains, copies), self.held.copy()
        taken[validates] = taken[self.unused] = True
        dealt = (self.extra == "") & self.labelled
        beside = beside_rows(self.cache, self.files, dealt, self.extra, taken, self.left_out)
        beside = beside & of_trained_splits(self.cache, trains, self.scheme)
        return copies, trains, np.sort(np.concatenate([trains, np.flatnonzero(beside)]))


def _deal(
    cache: Cache, folds: int, seed: int, scheme: FoldScheme, left_out: Sequence[int], without: IntArray
) -> _Dealing:
    extra = extra_folds(cache, folds)
    held = np.zeros(len(cache), bool)
    held[without] = True
    labelled = np.any([cache.known(name) for name in cache.label_set.names], axis=0)
    dealt = _dealt(cache, labelled & (extra == "") & ~held)
    division = divide_rows(cache, dealt, scheme, folds, seed)
    validates, unused, trains = sides(dealt, division, left_out)
    return _Dealing(
        cache=cache,
        scheme=scheme,
        left_out=left_out,
        division=division,
        validates=validates,
        trains=trains,
        unused=unused,
        held=held,
        labelled=labelled,
        extra=extra,
        files=files_of_rows(cache),
    )


def _dealt(cache: Cache, chosen: BoolArray) -> IntArray:
    """The chosen rows, which are to be divided.

    Raises:
        ValueError: there is none.
    """
    rows = np.flatnonzero(chosen)
    if not len(rows):
        raise ValueError(
            f"{cache.folder}: no photo of this cache is labelled; train on a cache of photos with "
            f"{_listed(cache.label_set.names)}"
        )
    return rows


def _prior(cache: Cache, training: IntArray, tasks: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """`FoldRows.prior` of some rows."""
    labels, headline = cache.label_set, cache.label_set.headline
    if headline and cache.known(headline)[training].any():
        others = [task for task in tasks if task not in labels.named and not covers([headline], task, labels)]
        tasks = (headline, *others)
    return {task: _shares(cache, training, task) for task in tasks}


def _shares(cache: Cache, rows: IntArray, task: str) -> tuple[float, ...]:
    """How often each class of a task occurs among the rows that have one; all alike where none has."""
    size, codes = len(cache.label_set.task(task).classes), cache.labels(task)[rows]
    codes = codes[codes != UNKNOWN]
    if not len(codes):
        return (1 / size,) * size
    return tuple((np.bincount(codes, minlength=size) / len(codes)).tolist())


def _check_validation(rows: IntArray, tasks: Sequence[str], scheme: FoldScheme, fold: int) -> None:
    if not len(rows) and scheme != "everything":
        raise ValueError(
            f"fold {fold}: no photo of its people is labelled for {', '.join(tasks)}, so nothing would be "
            "validated: use FOLD_SCHEME=everything, another FOLD_SEED, or label more people"
        )


def _keep(cache: Cache, training: IntArray, tasks: Sequence[str], rows: Rows, fold: int) -> IntArray:
    """Those of the training rows that the tasks have classes of and a recipe's table keeps."""
    taught = training[np.any([cache.labels(task)[training] != UNKNOWN for task in tasks], axis=0)]
    if not len(taught):
        raise ValueError(
            f"fold {fold}: none of its {len(training)} training photos is labelled for {', '.join(tasks)}: "
            "train other tasks, or on a cache with photos of such people"
        )
    kept = taught
    number = number_meant(tasks, cache.label_set)
    if rows.drop_ages and number is not None:
        values = np.floor(cache.columns(number.name)[number.name].to_numpy(np.float64)[taught])
        kept = taught[~np.isin(values, rows.drop_ages)]
    if rows.only:
        kept = kept[cache.labels(rows.only)[kept] != UNKNOWN]
    if not len(kept):
        raise ValueError(
            f"fold {fold}: none of its {len(taught)} training photos is left by "
            f"rows.drop_ages={list(rows.drop_ages)}, rows.only={rows.only!r}: "
            "drop fewer ages or name another task"
        )
    return kept


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
