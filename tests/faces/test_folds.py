"""Who validates in each scheme: people never split, strata balanced, nothing but the photos counts."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.folds import FoldScheme, fold_numbers, fold_of_rows
from faces.labels import IntArray

SHARES = (0.47, 0.46, 0.07)
OF_PEOPLE: tuple[FoldScheme, ...] = ("person", "age_group", "holdout")

seeds = st.integers(0, 1000)
fold_counts = st.integers(2, 6)


class People:
    """Seven shuffled photos each: five of mask 0, one each of the others; bands and genders as counted."""

    def __init__(self, counts: np.ndarray, seed: int) -> None:
        band, gender = (axis.ravel() for axis in np.indices(counts.shape))
        rng = np.random.default_rng(seed)
        kind = rng.permutation(np.repeat(np.arange(counts.size), counts.ravel()))
        photo = rng.permutation(7 * len(kind))
        self.keys = np.array([f"{number:06d}" for number in photo])
        self.persons = np.array([f"p{number:05d}" for number in photo // 7])
        self.band, self.gender = band[kind[photo // 7]], gender[kind[photo // 7]]
        self.classes = np.maximum(photo % 7 - 4, 0) * 6 + self.gender * 3 + self.band

    def folds(
        self, scheme: FoldScheme, folds: int, seed: int, rows: IntArray | slice = slice(None)
    ) -> IntArray:
        return fold_of_rows(
            scheme,
            keys=self.keys[rows],
            persons=self.persons[rows],
            classes=self.classes[rows],
            folds=folds,
            seed=seed,
        )

    def each(self, values: np.ndarray) -> np.ndarray:
        """One value a person."""
        return values[np.unique(self.persons, return_index=True)[1]]


@st.composite
def crowds(draw: st.DrawFn) -> People:
    """At least 6 people of each age band, genders in any proportion, one perhaps absent."""
    bands = [(draw(st.integers(0, 9)), draw(st.integers(0, 9))) for _ in range(3)]
    counts = np.array([(men, max(women, 6 - men)) for men, women in bands])
    return People(counts, draw(seeds))


def spread(folds: int, fold: np.ndarray) -> int:
    """Between the folds with most and fewest."""
    return int(np.ptp(np.bincount(fold, minlength=folds)))


@given(people=crowds(), folds=fold_counts, seed=seeds)
def test_no_person_is_split_and_every_photo_validates_once(people: People, folds: int, seed: int) -> None:
    for scheme in OF_PEOPLE:
        fold = people.folds(scheme, folds, seed)
        for person in np.unique(people.persons):
            assert len(set(fold[people.persons == person])) == 1
        assert set(fold) == ({0, -1} if scheme == "holdout" else {*range(folds)})


@given(people=crowds(), folds=fold_counts, seed=seeds)
def test_folds_differ_by_one_person_at_most_in_all_that_is_balanced(
    people: People, folds: int, seed: int
) -> None:
    band, gender = people.each(people.band), people.each(people.gender)
    for scheme in ("person", "age_group"):
        fold = people.each(people.folds(scheme, folds, seed))
        assert spread(folds, fold) <= 1
        for b in range(3):
            assert spread(folds, fold[band == b]) <= 1
            for g in range(2) if scheme == "person" else ():
                assert spread(folds, fold[(band == b) & (gender == g)]) <= 1


def test_age_groups_alone_leave_genders_to_chance() -> None:
    people = People(np.full((3, 2), 50), 1)
    fold, gender = people.each(people.folds("age_group", 5, 0)), people.each(people.gender)
    assert 1 < spread(5, fold[gender == 0]) < 30


def test_remainders_of_age_groups_rotate_over_the_folds() -> None:
    people = People(np.array([[7, 0], [8, 0], [5, 0]]), 0)
    fold, band = people.each(people.folds("age_group", 5, 3)), people.each(people.band)
    assert np.bincount(fold[band == 0]).tolist() == [2, 2, 1, 1, 1]
    assert np.bincount(fold[band == 1]).tolist() == [1, 1, 2, 2, 2]
    assert np.bincount(fold).tolist() == [4, 4, 4, 4, 4]


def test_shares_of_a_contest_sized_data_set_stay_within_half_a_point() -> None:
    men = np.round(np.array(SHARES) * 1070).astype(int)
    people = People(np.stack([men, np.round(np.array(SHARES) * 1630).astype(int)], 1), 0)
    fold = people.folds("person", 5, 0)
    overall = np.bincount(people.classes) / len(people.classes)
    for number in range(5):
        shares = np.bincount(people.classes[fold == number]) / (fold == number).sum()
        assert np.abs(shares - overall).max() < 0.005


@given(people=crowds(), folds=fold_counts, seed=seeds, shuffle=seeds)
def test_the_order_of_rows_does_not_count(people: People, folds: int, seed: int, shuffle: int) -> None:
    order = np.random.default_rng(shuffle).permutation(len(people.keys))
    for scheme in get_args(FoldScheme):
        fold = people.folds(scheme, folds, seed)
        np.testing.assert_array_equal(people.folds(scheme, folds, seed, order), fold[order])


@pytest.mark.parametrize("scheme", ["person", "age_group", "holdout", "image"])
def test_another_seed_is_another_division(scheme: FoldScheme) -> None:
    people = People(np.full((3, 2), 10), 0)
    assert (people.folds(scheme, 5, 7) != people.folds(scheme, 5, 8)).any()


@given(people=crowds(), folds=fold_counts, seed=seeds)
def test_holdout_is_the_first_fold_of_person(people: People, folds: int, seed: int) -> None:
    holdout, person = people.folds("holdout", folds, seed), people.folds("person", folds, seed)
    np.testing.assert_array_equal(holdout == 0, person == 0)
    assert abs((people.each(holdout) == 0).sum() - len(people.each(holdout)) / folds) < 1


def test_in_everything_nobody_validates_whatever_the_number_of_folds() -> None:
    people = People(np.ones((3, 2), int), 0)
    assert (people.folds("everything", 1, 0) == -1).all()
    assert [*fold_numbers("everything", 1)] == [*fold_numbers("holdout", 5)] == [0]
    assert [*fold_numbers("person", 3)] == [0, 1, 2]


@given(people=crowds(), folds=fold_counts, seed=seeds)
def test_random_photos_balance_the_classes_and_split_people(people: People, folds: int, seed: int) -> None:
    fold = people.folds("image", folds, seed)
    assert spread(folds, fold) <= 1
    for label in np.unique(people.classes):
        assert spread(folds, fold[people.classes == label]) <= 1
    split = [len(set(fold[people.persons == person])) > 1 for person in np.unique(people.persons)]
    assert np.mean(split) > 0.5


def test_people_that_cannot_be_divided_are_refused() -> None:
    people = People(np.array([[9, 9], [9, 9], [1, 1]]), 0)
    with pytest.raises(ValueError, match="folds=1"):
        people.folds("person", 1, 0)
    for scheme in OF_PEOPLE:
        with pytest.raises(
            ValueError, match=r"age band >=60 has 2 people, fewer than folds=3: .* at most 2 "
        ):
            people.folds(scheme, 3, 0)
    with pytest.raises(ValueError, match="only 2 photos"):
        people.folds("image", 3, 0, slice(2))


@pytest.mark.parametrize("change", [1, 3])
def test_a_person_of_two_genders_or_age_bands_is_named(change: int) -> None:
    people = People(np.array([[3, 0], [3, 0], [3, 0]]), 0)
    photo = np.flatnonzero(people.band == 0)[0]
    people.classes[photo] += change
    with pytest.raises(ValueError, match=rf"person {people.persons[photo]} has .*\(1 such people\)"):
        people.folds("person", 3, 0)
    assert len(people.folds("image", 3, 0)) == len(people.keys)
