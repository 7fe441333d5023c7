"""How many photos there are of each value, and how the people of a cache are dealt to folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faces.cache.reader import Cache
from faces.labels import IntArray
from faces.pages.charts import Bar, coded, in_title
from faces.pages.folds import FoldCounts, count_folds
from train.data.dealing import divide_rows

FOLDS = 5
"""Into how many folds training divides people unless it is told otherwise."""


def dealt_folds(cache: Cache) -> tuple[FoldCounts | None, str]:
    """How training would deal the people of a cache to `FOLDS` folds with seed 0; or why it would not."""
    labels = cache.label_set
    labelled = np.flatnonzero(np.any([cache.known(name) for name in labels.names], axis=0))
    if not len(labelled):
        return None, "No photo is labelled, so none is dealt to a fold."
    try:
        division = divide_rows(cache, labelled, "person", FOLDS, 0)
    except ValueError as error:
        return None, f"Not dealt to {FOLDS} folds: {error}."
    photos = cache.columns("person", *labels.names).iloc[labelled].assign(fold=division.fold)
    return count_folds(photos[photos["fold"] >= 0], labels), ""


@dataclass(frozen=True)
class FactorCount:
    """How often each value is true, and how often it was answered."""

    title: str
    true: list[Bar]
    answered: list[Bar]


def count_answers(
    names: Sequence[str],
    values: Sequence[Sequence[str]],
    true: Sequence[IntArray],
    answered: Sequence[IntArray],
) -> list[FactorCount]:
    """Counts of the values of each part of a task; arguments as of `report.answers.Answers`."""
    return [
        FactorCount(in_title(name), coded(mine, words), coded(theirs, words))
        for name, words, mine, theirs in zip(names, values, true, answered, strict=True)
    ]
