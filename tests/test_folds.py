import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.folds import assign_folds

SHARES = (0.47, 0.46, 0.07)


def people(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Seven shuffled photos each of people in three strata of the contest's shares."""
    rng = np.random.default_rng(seed)
    strata = np.repeat([0, 1, 2], np.round(np.array(SHARES) * count).astype(int))
    person = rng.permutation(np.repeat(np.arange(len(strata)), 7))
    return np.array([f"p{p:05d}" for p in person]), strata[person]


@given(folds=st.integers(2, 8), seed=st.integers(0, 1000))
def test_no_person_is_split_and_every_photo_is_validated_once(folds: int, seed: int) -> None:
    persons, strata = people(150, seed)
    fold = assign_folds(persons, strata, folds, seed)
    assert set(fold) == {*range(folds)}
    for person in np.unique(persons):
        assert len(set(fold[persons == person])) == 1


def test_age_shares_stay_within_two_points() -> None:
    persons, strata = people(2700, 0)
    fold = assign_folds(persons, strata, 5, 0)
    overall = np.bincount(strata) / len(strata)
    for number in range(5):
        shares = np.bincount(strata[fold == number]) / (fold == number).sum()
        assert np.abs(shares - overall).max() < 0.02


def test_a_pure_function_of_people_not_of_the_order_of_rows() -> None:
    persons, strata = people(100, 3)
    fold = assign_folds(persons, strata, 5, 7)
    back = np.random.default_rng(0).permutation(len(persons))
    np.testing.assert_array_equal(assign_folds(persons[back], strata[back], 5, 7), fold[back])
    assert (assign_folds(persons, strata, 5, 8) != fold).any()


def test_people_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ValueError, match="folds=1"):
        assign_folds(["a", "b"], [0, 0], 1, 0)
    with pytest.raises(ValueError, match=r"stratum 1 has 2 people, fewer than folds=3"):
        assign_folds([*"abcdefg"], [0, 0, 0, 0, 0, 1, 1], 3, 0)
    with pytest.raises(ValueError, match="person 'a' has photos in two strata"):
        assign_folds(["a", "a", "b"], [0, 1, 0], 2, 0)
