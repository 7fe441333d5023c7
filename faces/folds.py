"""How people are divided into those who train a model and those who validate it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faces.labels import AGE_BANDS, GENDERS, IntArray, split_classes

FoldScheme = Literal["person", "age_group", "holdout", "everything", "image"]
"""person: people are dealt to the folds, evenly over age band and gender. age_group: each age band alone is
divided into equal parts. holdout: fold 0 of person and no other. everything: nobody validates. image: photos
are dealt, evenly over the 18 classes, so that people stand on both sides and scores are too good."""
EXTRA, EVERY_FOLD = "extra", "all"
"""Column of a cache's index that names the folds in which a photo beside the ordinary ones trains, and its
value for all of them; `fold<k>` is fold k alone, "" an ordinary photo. Without it all are ordinary."""


def fold_numbers(scheme: FoldScheme, folds: int) -> range:
    """The folds that a scheme has: 0 to folds - 1, or 0 alone for holdout and everything.

    Raises:
        ValueError: fewer than 2 folds, but in everything, which ignores their number.
    """
    if folds < 2 and scheme != "everything":
        raise ValueError(f"folds={folds}: at least 2 are needed, one to validate on and one to train on")
    return range(1 if scheme in ("holdout", "everything") else folds)


def fold_of_rows(
    scheme: FoldScheme,
    *,
    keys: ArrayLike,
    persons: ArrayLike,
    classes: ArrayLike,
    folds: int,
    seed: int,
) -> IntArray:
    """The fold in which each photo validates: a pure function of its arguments, not of the rows' order.

    Those to be divided are shuffled within each stratum, the strata laid one after the other, and all of it
    dealt out like cards. So the folds' shares of each stratum, of neighbouring strata together (both genders
    of an age band) and of the whole differ by at most one, and remainders rotate: with 7 and 8 people and
    5 folds, folds 0 and 1 get 2 of the seven, folds 2, 3 and 4 get 2 of the eight, and all have 3.

    Args:
        scheme: who is divided, and how.
        keys: [n] a name for each photo, each once.
        persons: [n] keys of people; the contest's folder, since its ids occur on two people.
        classes: [n] 18-class codes.
        folds: into how many parts, at least 2; holdout validates one part of so many. everything ignores it.
        seed: which of the many such divisions, 0 or more.

    Returns:
        [n] int64 fold of each photo in [0, folds), or -1 where it never validates.

    Raises:
        ValueError: fewer than 2 folds, a person of two genders or age bands, or fewer people of an age band,
            or photos of scheme image, than folds.
    """
    code = np.asarray(classes, np.int64)
    fold_numbers(scheme, folds)
    if scheme == "everything":
        return np.full(len(code), -1, np.int64)
    if scheme == "image":
        return _deal_photos(np.asarray(keys), code, folds, seed)
    factors = split_classes(code)
    strata = factors["age"] * len(GENDERS) + factors["gender"]
    people, first, person = np.unique(np.asarray(persons), return_index=True, return_inverse=True)
    twice = np.unique(person[strata != strata[first][person]])
    if len(twice):
        raise ValueError(
            f"person {people[twice[0]]!s} has photos of two genders or age bands: the labels of one person "
            f"must agree ({len(twice)} such people); correct the source's table, or add a corrections.csv"
        )
    strata = strata[first]
    _check_bands(strata // len(GENDERS), folds)
    fold = _deal(strata // len(GENDERS) if scheme == "age_group" else strata, folds, seed)[person]
    return np.where(fold == 0, 0, -1) if scheme == "holdout" else fold


def _deal(strata: IntArray, folds: int, seed: int) -> IntArray:
    """[n] folds of n people or photos that stand in the order of their names."""
    # scikit-learn's StratifiedKFold knows no neighbouring strata: the remainders of both genders of an age
    # band may meet in one fold. It also warns of a stratum smaller than the number of folds.
    shuffled = np.random.default_rng(seed).permutation(len(strata))
    fold = np.empty(len(strata), np.int64)
    fold[np.lexsort((shuffled, strata))] = np.arange(len(strata)) % folds
    return fold


def _deal_photos(keys: NDArray[Any], classes: IntArray, folds: int, seed: int) -> IntArray:
    if len(keys) < folds:
        raise ValueError(f"folds={folds}: there are only {len(keys)} photos to divide; choose fewer folds")
    by_key = np.argsort(keys)
    fold = np.empty(len(keys), np.int64)
    fold[by_key] = _deal(classes[by_key], folds, seed)
    return fold


def _check_bands(bands: IntArray, folds: int) -> None:
    """Refuse folds that would have nobody of an age band to validate."""
    counts = np.bincount(bands, minlength=len(AGE_BANDS))
    for name, count in zip(AGE_BANDS, counts, strict=True):
        if 0 < count < folds:
            raise ValueError(
                f"age band {name} has {count} people, fewer than folds={folds}: "
                f"choose at most {max(2, count)} folds or add people"
            )
