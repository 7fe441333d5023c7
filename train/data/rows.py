"""Which rows of a cache train a fold and which validate it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pyarrow import parquet

from faces.cache import Cache
from faces.folds import EXTRA, FoldScheme, fold_numbers, fold_of_rows
from faces.labels import AGE_EDGES, CLASS_COUNT, TASKS, UNKNOWN, IntArray
from train.recipe.data import Rows

_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class FoldRows:
    """The two sides of a fold; no person is on both, but in scheme image."""

    training: IntArray
    """Rows labelled for at least one of the tasks and kept by the recipe's `rows`, extra ones among them."""
    validation: IntArray
    """Every labelled row of the fold's people, in the cache's order; none in scheme everything."""
    prior: tuple[float, ...]
    """Shares of the 18 classes among all of the training people's photos, the recipe's `rows` or not; extra
    ones do not count."""
    unlabelled: IntArray = field(default_factory=_NO_ROWS.copy)
    """Rows on neither side, without all labels and of nobody who validates, that a teacher may label."""

    @property
    def identity(self) -> str:
        """Hex sha256 over both sides' row numbers."""
        sides = [np.ascontiguousarray(side, "<i8").tobytes() for side in (self.training, self.validation)]
        return hashlib.sha256(b"|".join(sides)).hexdigest()


def _validating(
    cache: Cache, rows: IntArray, scheme: FoldScheme, fold: int, folds: int, seed: int
) -> NDArray[np.bool_]:
    """[n] which of the rows validate in a fold."""
    names = cache.columns("key", "person").iloc[rows]
    fold_of = fold_of_rows(
        scheme,
        keys=names["key"],
        persons=names["person"],
        classes=cache.labels("class18")[rows],
        folds=folds,
        seed=seed,
    )
    validates: NDArray[np.bool_] = fold_of == fold
    assert scheme == "image" or not {*names["person"][validates]} & {*names["person"][~validates]}
    return validates


def fold_rows(
    cache: Cache,
    tasks: Sequence[str],
    *,
    fold: int,
    folds: int,
    seed: int,
    scheme: FoldScheme = "person",
    rows: Rows = Rows(),
    senior_from: float = AGE_EDGES[1],
    without: IntArray | None = None,
) -> FoldRows:
    """Divide the labelled rows of a cache; photos of unlabelled people take no part.

    Extra photos (`EXTRA`) are never dealt to folds: the ordinary people are divided as if there were none.
    They never validate, and train in their folds but where their person validates.

    Args:
        cache: with labels.
        tasks: what is trained.
        fold: whose people validate, one of the scheme's: 0 to folds - 1, or 0.
        folds: into which the people are divided.
        seed: which of the many such divisions.
        scheme: how they are divided.
        rows: which of the training rows to keep; validation rows are never left out.
        senior_from: age in years from which training counts a photo as 60 or older.
        without: [m] rows that take no part either, kept apart for a test on neither side.

    Raises:
        ValueError: no labels, a `fold` that the scheme does not have, folds that the people do not allow, no
            row left, a class that the cache has without a training photo, or extra photos of no known fold.
    """
    _check_fold(fold, folds, scheme)
    classes = cache.labels("class18")
    extra = extra_folds(cache, folds)
    held = np.zeros(len(cache), bool)
    held[_NO_ROWS if without is None else without] = True
    labelled = np.flatnonzero((classes != UNKNOWN) & (extra == "") & ~held)
    if not len(labelled):
        raise ValueError(
            f"{cache.folder}: no photo of this cache is labelled; "
            "train on a cache of photos with mask, gender and age"
        )
    validates = _validating(cache, labelled, scheme, fold, folds, seed)
    training = labelled[~validates]
    prior = np.bincount(classes[training], minlength=CLASS_COUNT) / len(training)
    held[labelled[validates]] = True
    beside = _beside(cache, extra, held, fold)
    more = np.flatnonzero(beside & (classes != UNKNOWN))
    kept = _keep(cache, np.sort(np.concatenate([training, more])), tasks, rows, fold)
    _check_classes(cache, kept, tasks, rows, senior_from, fold, extra == "")
    return FoldRows(
        training=kept,
        validation=labelled[validates],
        prior=tuple(prior.tolist()),
        unlabelled=np.flatnonzero(beside & (classes == UNKNOWN)),
    )


def _check_fold(fold: int, folds: int, scheme: FoldScheme) -> None:
    numbers = fold_numbers(scheme, folds)
    if fold not in numbers:
        known = f"they are numbered 0 to {folds - 1}" if len(numbers) > 1 else "fold 0 is the only one"
        raise ValueError(f"fold {fold}: with {folds} folds of scheme {scheme} {known}")


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


def _beside(
    cache: Cache, extra: NDArray[np.object_], held: NDArray[np.bool_], fold: int
) -> NDArray[np.bool_]:
    """[len(cache)] whether a photo that was not dealt may train in a fold.

    Args:
        cache: with people.
        extra: of `extra_folds`.
        held: [len(cache)] rows that must not train, nor any photo of their people.
        fold: the fold.
    """
    people = cache.columns("person")["person"]
    known = people[held & (people != "")]
    dealt = (extra == "") & (cache.labels("class18") != UNKNOWN)
    mine = np.isin(extra, ["", "all", f"fold{fold}"]) & ~dealt
    return np.asarray(mine & ~held & ~people.isin(known))


def training_classes(cache: Cache, task: str, senior_from: float = AGE_EDGES[1]) -> IntArray:
    """Classes that training gives each row: as `Cache.labels`, but older people count as 60 earlier.

    Args:
        cache: with labels.
        task: whose classes.
        senior_from: age in years from which a photo is taken for one of age 60; at 60 nothing changes.

    Returns:
        [len(cache)] int64, -1 where not labelled or not the task's.
    """
    known = cache.columns("mask", "gender", "age")
    return TASKS[task].encode(known["mask"], known["gender"], _aged(known["age"].to_numpy(), senior_from))


def _aged(years: np.ndarray, senior_from: float) -> np.ndarray:
    return np.where(years >= senior_from, np.maximum(years, AGE_EDGES[1]), years)


def _keep(cache: Cache, training: IntArray, tasks: Sequence[str], rows: Rows, fold: int) -> IntArray:
    """Those of the training rows that the tasks have classes of and a recipe's table keeps."""
    taught = training[np.any([cache.labels(task)[training] != UNKNOWN for task in tasks], axis=0)]
    if not len(taught):
        raise ValueError(
            f"fold {fold}: none of its {len(training)} training photos is labelled for {', '.join(tasks)}: "
            "train other tasks, or on a cache with photos of such people"
        )
    years = np.floor(cache.columns("age")["age"].to_numpy(np.float64)[taught])
    kept = taught[~np.isin(years, rows.drop_ages)]
    if rows.only:
        kept = kept[cache.labels(rows.only)[kept] != UNKNOWN]
    if not len(kept):
        raise ValueError(
            f"fold {fold}: none of its {len(taught)} training photos is left by "
            f"rows.drop_ages={list(rows.drop_ages)}, rows.only={rows.only!r}: "
            "drop fewer ages or name another task"
        )
    return kept


def absent_classes(cache: Cache, tasks: Sequence[str]) -> list[str]:
    """Classes, as `task: class`, that no photo of a cache has: nothing can teach or score them."""
    return [
        f"{task}: {name}"
        for task in tasks
        for code, name in enumerate(TASKS[task].classes)
        if not (cache.labels(task) == code).any()
    ]


def _check_classes(
    cache: Cache,
    kept: IntArray,
    tasks: Sequence[str],
    rows: Rows,
    senior_from: float,
    fold: int,
    ordinary: NDArray[np.bool_],
) -> None:
    """Refuse a fold in which a class that the cache's ordinary photos have would never be shown."""
    persons = cache.columns("person")["person"].to_numpy()
    mine = (cache.labels(rows.only or "class18") != UNKNOWN) & ordinary
    for task in tasks:
        classes = training_classes(cache, task, senior_from)
        missing = np.setdiff1d(classes[mine & (classes != UNKNOWN)], classes[kept])
        if len(missing):
            people = np.unique(persons[mine & (classes == missing[0])])
            raise ValueError(
                f"fold {fold}: none of its {len(kept)} training photos is of class "
                f"{TASKS[task].classes[missing[0]]!r} of task {task}; {len(people)} people of the cache "
                "are: choose fewer folds, train another task, add such people, or keep more in [rows]"
            )
