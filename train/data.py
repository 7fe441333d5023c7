"""Which rows of a cache train a fold and which validate it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faces.cache import Cache
from faces.folds import assign_folds
from faces.labels import CLASS_COUNT, UNKNOWN, IntArray


@dataclass(frozen=True, kw_only=True)
class FoldRows:
    """The two sides of a fold; no person is on both."""

    training: IntArray
    """Rows labelled for at least one of the tasks."""
    validation: IntArray
    """Every labelled row of the fold's people, in the cache's order."""
    prior: tuple[float, ...]
    """Shares of the 18 classes among the training people's photos."""


def fold_rows(cache: Cache, tasks: Sequence[str], *, fold: int, folds: int, seed: int) -> FoldRows:
    """Divide the labelled rows of a cache; photos of unlabelled people take no part.

    Raises:
        ValueError: no labels, `fold` out of range, or folds that the people do not allow.
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
    persons = cache.index["person"].to_numpy()[labelled]
    fold_of = assign_folds(persons, cache.labels("age3")[labelled], folds, seed)
    training, validation = labelled[fold_of != fold], labelled[fold_of == fold]
    prior = np.bincount(classes[training], minlength=CLASS_COUNT) / len(training)
    taught = np.any([cache.labels(task)[training] != UNKNOWN for task in tasks], axis=0)
    return FoldRows(training=training[taught], validation=validation, prior=tuple(prior.tolist()))
