"""Which rows of a cache train a fold and which validate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faces.cache import Cache
from faces.folds import assign_folds
from faces.labels import CLASS_COUNT, UNKNOWN, IntArray
from train.recipe import Rows


@dataclass(frozen=True, kw_only=True)
class FoldRows:
    """The two sides of a fold; no person is on both."""

    training: IntArray
    """Rows labelled for at least one of the tasks and kept by the recipe's `rows`."""
    validation: IntArray
    """Every labelled row of the fold's people, in the cache's order."""
    prior: tuple[float, ...]
    """Shares of the 18 classes among all of the training people's photos, the recipe's `rows` or not."""


def fold_rows(
    cache: Cache, tasks: Sequence[str], *, fold: int, folds: int, seed: int, rows: Rows | None = None
) -> FoldRows:
    """Divide the labelled rows of a cache; photos of unlabelled people take no part.

    Args:
        cache: with labels.
        tasks: what is trained.
        fold: whose people validate, 0 to folds - 1.
        folds: into which the people are divided.
        seed: which of the many such divisions.
        rows: which of the training rows to keep; validation rows are never left out.

    Raises:
        ValueError: no labels, `fold` out of range, folds that the people do not allow, or no row left.
    """
    if not 0 <= fold < folds:
        raise ValueError(f"fold {fold}: with {folds} folds they are numbered 0 to {folds - 1}")
    classes = cache.labels("class18")
    labelled = np.flatnonzero(classes != UNKNOWN)
    if not len(labelled):
        raise ValueError(
            f"{cache.folder}: no photo of this cache is labelled; "
            "train on a cache of photos with mask, gender and age"
        )
    persons = cache.columns("person")["person"].to_numpy()[labelled]
    fold_of = assign_folds(persons, cache.labels("age3")[labelled], folds, seed)
    training, validation = labelled[fold_of != fold], labelled[fold_of == fold]
    prior = np.bincount(classes[training], minlength=CLASS_COUNT) / len(training)
    taught = training[np.any([cache.labels(task)[training] != UNKNOWN for task in tasks], axis=0)]
    if not len(taught):
        raise ValueError(
            f"fold {fold}: none of its {len(training)} training photos is labelled for {', '.join(tasks)}: "
            "train other tasks, or on a cache with photos of such people"
        )
    kept = taught if rows is None else _keep(cache, taught, rows, fold)
    return FoldRows(training=kept, validation=validation, prior=tuple(prior.tolist()))


def _keep(cache: Cache, training: IntArray, rows: Rows, fold: int) -> IntArray:
    """Those of the training rows that a recipe's table says."""
    years = np.floor(cache.columns("age")["age"].to_numpy(np.float64)[training])
    kept = training[~np.isin(years, rows.drop_ages)]
    if rows.only:
        kept = kept[cache.labels(rows.only)[kept] != UNKNOWN]
    if not len(kept):
        raise ValueError(
            f"fold {fold}: none of its {len(training)} training photos is left by "
            f"rows.drop_ages={list(rows.drop_ages)}, rows.only={rows.only!r}: "
            "drop fewer ages or name another task"
        )
    return kept
