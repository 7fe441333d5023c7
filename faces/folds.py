"""How people are divided into those who train a model and those who validate it.

Those to be divided are shuffled within each stratum, the strata laid one after the other, and all of it
dealt out like cards. So the folds' shares of each stratum, of neighbouring strata together (both genders
of an age band) and of the whole differ by at most one, and remainders rotate: with 7 and 8 people and
5 folds, folds 0 and 1 get 2 of the seven, folds 2, 3 and 4 get 2 of the eight, and all have 3.

Strata are the combined values of all factors in which each person has one value. Where a value has fewer
people than there are folds, some folds have none of it. Strata depend on the labels alone, not on what is
trained: recipes for different factors then leave out the same people, and can be scored together.

People who share a file are one card, directly or by way of others, so that no file stands on both sides.
Such a group has the values of its first person by name, and is dealt before the smaller ones of its
stratum; each card goes to the fold of the fewest people. So the folds' numbers of people differ by at
most the largest group's, and without shared files all is as above. The schemes that follow `splits` move
nobody; who trains in them must leave out what also validates.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faces.labels import Factor, IntArray, LabelSet, Photos

FoldScheme = Literal["person", "age_group", "holdout", "everything", "image", "split", "split_folds"]
"""person: people are dealt to the folds, evenly over the values of their factors. age_group: each band of the
factor age alone is divided into equal parts. holdout: fold 0 of person and no other. everything: nobody
validates. image: photos are dealt, evenly over all their labels, so that people stand on both sides and
scores are too good; copies of one file stay together, as it is to show what knowing a face is worth, and
nothing else. split: as the data came, train and val (test where there is no val). split_folds: as the
data came, fold k validates what it calls fold<k>."""
EXTRA, EVERY_FOLD = "extra", "all"
"""Column of a cache's index that names the folds in which a photo beside the ordinary ones trains, and its
value for all of them; `fold<k>` is fold k alone, "" an ordinary photo. Without it all are ordinary."""
SPLIT: Final = "split"
"""Column of a cache's index with the part of the data that a photo came in: train, val, test, or fold<k>."""


@dataclass(frozen=True, kw_only=True)
class Division:
    """Photos dealt to folds."""

    fold: IntArray
    """[n] int64 fold in which each photo validates, in [0, folds), or -1 where it never does."""
    by: tuple[str, ...] = ()
    """Factors over whose values people are spread evenly, the most evenly first."""
    not_by: Mapping[str, str] = field(default_factory=dict)
    """Why, of each other factor."""
    unused: NDArray[np.bool_] | None = None
    """[n] photos that neither train nor validate; None for none."""
    linked: int = 0
    """People, or photos of scheme image, who share a file with others and were dealt with them as one."""


def fold_numbers(scheme: FoldScheme, folds: int) -> range:
    """The folds that a scheme has: 0 to folds - 1, or 0 alone for holdout, everything and split.

    Raises:
        ValueError: fewer than 2 folds, but in everything and split, which ignore their number.
    """
    if folds < 2 and scheme not in ("everything", "split"):
        raise ValueError(f"folds={folds}: at least 2 are needed, one to validate on and one to train on")
    return range(1 if scheme in ("holdout", "everything", "split") else folds)


def divide_photos(
    scheme: FoldScheme,
    *,
    keys: ArrayLike,
    persons: ArrayLike,
    photos: Photos,
    labels: LabelSet,
    folds: int,
    seed: int,
    told: Collection[str] = (),
    splits: ArrayLike | None = None,
    files: ArrayLike | None = None,
) -> Division:
    """The fold in which each photo validates: a pure function of its arguments, not of the rows' order.

    Args:
        scheme: who is divided, and how.
        keys: [n] a name for each photo, each once.
        persons: [n] keys of people; the contest's folder, since its ids occur on two people.
        photos: their labels, at least one known of each.
        labels: the factors.
        folds: into how many parts, at least 2; holdout validates one part of so many. everything ignores it.
        seed: which of the many such divisions, 0 or more.
        told: factors that are to be trained; a value of one of them that is the person's, and that fewer
            people have than there are folds, is an error.
        splits: [n] values of the column `SPLIT`, for the schemes that follow it.
        files: [n] hashes of the photos' files, "" where not known; None for no file twice.

    Raises:
        ValueError: fewer than 2 folds, a negative seed, a person of two values of a factor that is one per
            person, too few people of a value, groups of them or photos of scheme image, or what `splits` do
            not allow.
    """
    fold_numbers(scheme, folds)
    if seed < 0:
        raise ValueError(f"fold_seed={seed}: must be 0 or more")
    names, people = np.asarray(keys), np.asarray(persons)
    if scheme == "everything":
        return Division(fold=np.full(len(names), -1, np.int64))
    if scheme in ("split", "split_folds"):
        return _as_split(scheme, people, splits, folds)
    contents = np.full(len(names), "", object) if files is None else np.asarray(files, object)
    if scheme == "image":
        return _deal_photos(names, contents, photos, labels, folds, seed)
    division = _deal_people(people, contents, photos, labels, folds, seed, told, scheme == "age_group")
    if scheme == "holdout":
        return replace(division, fold=np.where(division.fold == 0, 0, -1))
    return division


def _deal_people(
    persons: NDArray[Any],
    files: NDArray[np.object_],
    photos: Photos,
    labels: LabelSet,
    folds: int,
    seed: int,
    told: Collection[str],
    by_age: bool,
) -> Division:
    people, person = np.unique(persons, return_inverse=True)
    first, group = _groups(person, files)
    if len(first) < min(folds, len(people)):
        raise ValueError(
            f"folds={folds}: people who share files go to one fold together, and of {len(people)} people "
            f"that leaves {len(first)} to deal; remove the shared files (make look lists them as the same "
            "files), or choose fewer folds"
        )
    # Factors of the person first, of these the last first: the contest's people by age, then gender.
    factors = [*reversed(labels.factors)]
    factors.sort(key=lambda factor: factor.per != "person")
    if by_age:
        if "age" not in labels.names:
            raise ValueError("fold_scheme=age_group: these labels have no factor age; use person")
        factors = [labels.factor("age")]
    strata, not_by = {}, {}
    for factor in factors:
        codes, why = _of_people(people, person, factor, photos)
        if not why:
            strata[factor.name] = codes[first]
            why = _too_few(factor, codes, group, folds, told)
        if why:
            not_by[factor.name] = why
    fold, linked = _deal([*strata.values()], group, folds, seed)
    by = tuple(name for name in strata if name not in not_by)
    return Division(fold=fold[person], by=by, not_by=not_by, linked=linked)


def _groups(owner: IntArray, files: NDArray[np.object_]) -> tuple[IntArray, IntArray]:
    """Who hangs together by files of the same content.

    Args:
        owner: [n] number of the person of each photo; all of 0 to m - 1 occur.
        files: [n] hashes, "" where not known.

    Returns:
        [groups] the first person of each group, ascending; [m] the group of each person.
    """
    from pandas import factorize

    alone = np.arange(owner.max(initial=-1) + 1)
    content, hashes = factorize(files)
    shared = (np.bincount(content) > 1)[content] & (hashes != "")[content]
    if not shared.any():
        return alone, alone
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    people = len(alone)
    graph = coo_array(
        (np.ones(shared.sum()), (owner[shared], people + content[shared])), shape=(people + len(hashes),) * 2
    )
    component = connected_components(graph, directed=False)[1][:people]
    lowest = np.full(component.max() + 1, people)
    np.minimum.at(lowest, component, alone)
    return np.unique(lowest[component], return_inverse=True)


def _of_people(
    people: NDArray[Any], person: IntArray, factor: Factor, photos: Photos
) -> tuple[IntArray, str]:
    """[people] each one's code of a factor, `UNKNOWN` where no photo tells it; and why it has none, or ""."""
    codes = factor.codes(photos[factor.name])
    known = codes >= 0
    highest, lowest = np.full((2, len(people)), -1, np.int64)
    lowest[:] = len(factor.classes)
    np.maximum.at(highest, person[known], codes[known])
    np.minimum.at(lowest, person[known], codes[known])
    twice = np.flatnonzero(lowest < highest)
    if len(twice) and factor.per == "person":
        first = twice[0]
        both = f"{factor.classes[lowest[first]]} and {factor.classes[highest[first]]}"
        raise ValueError(
            f"person {people[first]!s} has photos of two values of {factor.name}, {both}: the labels of one "
            f"person must agree ({len(twice)} such people); correct the source's table, add a "
            f'corrections.csv, or declare {factor.name} with per = "photo" in a labels.toml'
        )
    if (highest < 0).all():
        return highest, "no photo is labelled"
    return highest, f"it differs among the photos of {len(twice)} people" if len(twice) else ""


def _too_few(factor: Factor, codes: IntArray, group: IntArray, folds: int, told: Collection[str]) -> str:
    """Why people cannot be spread evenly over the values of a factor, or "".

    Raises:
        ValueError: it is to be trained, and some fold would have nobody of one of its values to validate.
    """
    for code, name in enumerate(factor.classes):
        people = group[codes == code]
        count = len(np.unique(people))
        if 0 < count < folds:
            linked = "" if count == len(people) else f", in {count} groups who share files"
            rare = f"{name} has {len(people)} people{linked}, fewer than folds={folds}"
            if factor.name in told and factor.per == "person":
                fewer = f"choose at most {count} folds" if count > 1 else "leave such people out"
                raise ValueError(f"{factor.name} {rare}: {fewer}, add people, or train another task")
            return f"{rare}, so some folds have none of them"
    return ""


def _deal(strata: Sequence[IntArray], group: IntArray, folds: int, seed: int) -> tuple[IntArray, int]:
    """[m] folds of m people or photos that stand in the order of their names, by their groups' strata; and
    how many of them are not alone in theirs."""
    # scikit-learn's StratifiedKFold knows no neighbouring strata: the remainders of both genders of an age
    # band may meet in one fold. It also warns of a stratum smaller than the number of folds.
    sizes = np.bincount(group)
    shuffled = np.random.default_rng(seed).permutation(len(sizes))
    fold = np.empty(len(sizes), np.int64)
    dealt = [0] * folds
    for place in np.lexsort((shuffled, -sizes, *reversed(strata))).tolist():
        fold[place] = fewest = dealt.index(min(dealt))
        dealt[fewest] += int(sizes[place])
    return fold[group], int((sizes[group] > 1).sum())


def _deal_photos(
    keys: NDArray[Any],
    files: NDArray[np.object_],
    photos: Photos,
    labels: LabelSet,
    folds: int,
    seed: int,
) -> Division:
    by_key = np.argsort(keys)
    first, group = _groups(np.arange(len(keys)), files[by_key])
    if len(first) < folds:
        raise ValueError(f"folds={folds}: there are only {len(first)} photos to divide; choose fewer folds")
    fold = np.empty(len(keys), np.int64)
    strata = [codes[by_key][first] for codes in labels.encode(photos).values()]
    fold[by_key], linked = _deal(strata, group, folds, seed)
    return Division(fold=fold, by=labels.names, linked=linked)


def _as_split(scheme: FoldScheme, persons: NDArray[Any], splits: ArrayLike | None, folds: int) -> Division:
    """Fold 0 validates val, or test where there is none; or fold k what is called fold<k>."""
    parts = np.full(len(persons), "", object) if splits is None else np.asarray(splits, object)
    there = {*parts} - {""}
    wanted = (
        ["val" if "val" in there else "test"] if scheme == "split" else [f"fold{k}" for k in range(folds)]
    )
    needed = [*wanted, *(["train"] if scheme == "split" else [])]
    if missing := [name for name in needed if name not in there]:
        raise ValueError(
            f"fold_scheme={scheme}: no labelled photo came as {missing[0]!r}; the parts of these data are "
            f"{', '.join(sorted(there)) or 'not named'}: use fold_scheme=person"
        )
    fold = np.full(len(parts), -1, np.int64)
    for number, name in enumerate(wanted):
        fold[parts == name] = number
    unused = ~np.isin(parts, needed)
    for number in {*fold} - {-1}:
        both = np.intersect1d(persons[fold == number], persons[(fold != number) & ~unused])
        if len(both):
            raise ValueError(
                f"fold_scheme={scheme}: person {both[0]!s} is in {wanted[number]!r} and in what is trained "
                f"on ({len(both)} such people), so scores would be too good; use fold_scheme=person"
            )
    return Division(fold=fold, unused=unused)
