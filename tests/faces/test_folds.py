"""Who validates in each scheme: people never split, strata balanced, nothing but the photos counts."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.folds import Division, FoldScheme, divide_photos, fold_numbers
from faces.labels import CONTEST, Categories, IntArray, LabelSet

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
        return self.division(scheme, folds, seed, rows).fold

    def division(
        self,
        scheme: FoldScheme,
        folds: int,
        seed: int,
        rows: IntArray | slice = slice(None),
        told: tuple[str, ...] = ("age",),
    ) -> Division:
        years = np.array([20.0, 40.0, 70.0])[self.classes % 3]
        photos = {"mask": self.classes // 6, "gender": self.classes // 3 % 2, "age": years}
        return divide_photos(
            scheme,
            keys=self.keys[rows],
            persons=self.persons[rows],
            photos={name: values[rows] for name, values in photos.items()},
            labels=CONTEST,
            folds=folds,
            seed=seed,
            told=told,
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
    for scheme in [s for s in get_args(FoldScheme) if not s.startswith("split")]:
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
    with pytest.raises(ValueError, match="fold_seed=-1: must be 0 or more"):
        people.folds("person", 2, -1)
    for scheme in OF_PEOPLE:
        with pytest.raises(ValueError, match=r"age >=60 has 2 people, fewer than folds=3: .* at most 2 "):
            people.folds(scheme, 3, 0)
    with pytest.raises(ValueError, match="only 2 photos"):
        people.folds("image", 3, 0, slice(2))


@pytest.mark.parametrize("change", [1, 3])
def test_a_person_of_two_genders_or_age_bands_is_named(change: int) -> None:
    people = People(np.array([[3, 0], [3, 0], [3, 0]]), 0)
    photo = np.flatnonzero(people.band == 0)[0]
    people.classes[photo] += change
    with pytest.raises(
        ValueError, match=rf"person {people.persons[photo]} has .*\(1 such people\).*per = .photo"
    ):
        people.folds("person", 3, 0)
    assert len(people.folds("image", 3, 0)) == len(people.keys)


def test_a_rare_value_of_what_is_not_trained_stops_nothing_and_is_named() -> None:
    people = People(np.array([[9, 9], [9, 9], [1, 1]]), 0)
    division = people.division("person", 3, 0, told=("mask",))
    assert division.by == ("gender",)
    assert division.not_by["age"].startswith(">=60 has 2 people, fewer than folds=3")
    assert "differs among the photos of 38 people" in division.not_by["mask"]
    gender = people.each(people.gender)
    assert all(spread(3, people.each(division.fold)[gender == g]) <= 1 for g in (0, 1))


def test_what_is_trained_does_not_decide_who_validates() -> None:
    people = People(np.full((3, 2), 8), 0)
    folds = [people.division("person", 4, 0, told=told).fold for told in ((), ("mask",), ("age", "gender"))]
    assert all((fold == folds[0]).all() for fold in folds)


def own_photos(count: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"glasses": rng.integers(-1, 2, count), "mood": rng.integers(0, 3, count)}


OWN = LabelSet(
    name="own",
    factors=(
        Categories(name="glasses", categories=("yes", "no")),
        Categories(name="mood", categories=("a", "b", "c")),
    ),
)


def divide(
    scheme: FoldScheme, persons: np.ndarray, photos: dict[str, np.ndarray], **more: object
) -> Division:
    given: dict[str, object] = {"labels": OWN, "folds": 4, "seed": 2, **more}
    return divide_photos(scheme, keys=np.arange(len(persons)), persons=persons, photos=photos, **given)  # type: ignore[arg-type]


def test_people_of_own_factors_are_spread_evenly_over_all_their_values_known_or_not() -> None:
    photos = own_photos(200, 1)
    division = divide("person", np.arange(200), photos)
    assert division.by == ("mood", "glasses") and not division.not_by
    for mood in range(3):
        for glasses in (-1, 0, 1):
            mine = (photos["mood"] == mood) & (photos["glasses"] == glasses)
            assert spread(4, division.fold[mine]) <= 1


def test_age_groups_need_a_factor_age() -> None:
    with pytest.raises(ValueError, match="no factor age; use person"):
        divide("age_group", np.arange(40), own_photos(40, 0))


def test_the_datas_own_split_is_followed_and_test_photos_take_no_part() -> None:
    splits = np.array(["train"] * 5 + ["val"] * 3 + ["test"] * 2)
    division = divide("split", np.arange(10), own_photos(10, 0), splits=splits)
    assert division.fold.tolist() == [-1] * 5 + [0] * 3 + [-1] * 2
    assert division.unused is not None and division.unused.tolist() == [False] * 8 + [True] * 2
    without_val = divide("split", np.arange(7), own_photos(7, 0), splits=np.delete(splits, [5, 6, 7]))
    assert without_val.fold.tolist() == [-1] * 5 + [0] * 2
    own = np.array([f"fold{k % 4}" for k in range(12)])
    assert (
        divide("split_folds", np.arange(12), own_photos(12, 0), splits=own).fold.tolist() == [0, 1, 2, 3] * 3
    )


def test_a_split_that_is_none_or_divides_a_person_is_refused() -> None:
    photos = own_photos(4, 0)
    with pytest.raises(
        ValueError, match=r"no labelled photo came as 'test'.*not named: use fold_scheme=person"
    ):
        divide("split", np.arange(4), photos)
    with pytest.raises(ValueError, match="'fold2'"):
        divide("split_folds", np.arange(4), photos, splits=np.array(["fold0", "fold1", "fold3", "fold3"]))
    with pytest.raises(ValueError, match=r"person 1 is in 'val' and in what is trained on \(1 such"):
        divide("split", np.array([0, 1, 1, 2]), photos, splits=np.array(["train", "train", "val", "val"]))
