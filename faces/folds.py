"""Folds that never split a person and keep the shares of the age bands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedKFold

from faces.labels import IntArray


def assign_folds(persons: Sequence[str] | ArrayLike, strata: ArrayLike, folds: int, seed: int) -> IntArray:
    """The fold in which each photo is validated: a pure function of its arguments, not of the rows' order.

    People, not photos, are dealt out: all photos of a person share a fold, and each stratum is spread
    as evenly as its number of people allows.

    Args:
        persons: [n] person keys; the contest's folder, since its ids occur on two people.
        strata: [n] codes, the same for all photos of a person, e.g. the age band.
        folds: number of folds, at least 2.
        seed: which of the many such divisions.

    Returns:
        [n] int64 fold of each photo in [0, folds).

    Raises:
        ValueError: fewer than 2 folds, a person in two strata, or a stratum with fewer people than folds.
    """
    if folds < 2:
        raise ValueError(f"folds={folds}: at least 2 are needed, one to validate on and one to train on")
    photos = pd.DataFrame({"person": np.asarray(persons), "stratum": np.asarray(strata)})
    people = photos.drop_duplicates().sort_values("person", ignore_index=True)
    twice = people.person[people.person.duplicated()]
    if len(twice):
        raise ValueError(
            f"person {twice.iloc[0]!r} has photos in two strata: the labels of one person must agree "
            f"({len(twice)} such people); correct them in the source's table, or in a corrections.csv"
        )
    smallest = people.stratum.value_counts()
    if smallest.min() < folds:
        raise ValueError(
            f"stratum {smallest.idxmin()} has {smallest.min()} people, fewer than folds={folds}: "
            f"choose at most {max(2, smallest.min())} folds or add people"
        )
    fold = np.empty(len(people), np.int64)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(splitter.split(np.zeros(len(people)), people.stratum)):
        fold[chosen] = number
    by_person = pd.Series(fold, index=people.person)
    return by_person.loc[photos.person].to_numpy(np.int64)
