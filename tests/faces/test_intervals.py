"""Intervals of scores: whom they draw, and that draws are what they claim to be."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from faces.intervals import DRAWS, drawn_f1, f1_of_counts, interval, mean_f1, person_counts, pooled_f1


def test_intervals_are_of_people_and_not_of_photos() -> None:
    """Photos of one person all answered alike: a draw of n people varies as n answers do, not as 9 n."""
    random = np.random.default_rng(0)
    person = np.repeat(np.arange(200), 9)
    truth = np.repeat(random.integers(0, 2, 200), 9)
    guess = np.repeat(np.where(random.random(200) < 0.8, truth[::9], 1 - truth[::9]), 9)
    spread = drawn_f1([person_counts(person, truth, guess, 200, 2)]).std()
    assert spread == pytest.approx(np.sqrt(0.8 * 0.2 / 200), rel=0.15)


def test_draws_are_macro_f1_of_the_drawn_photos() -> None:
    random = np.random.default_rng(1)
    person = np.repeat(np.arange(12), 4)
    truth, guess = random.integers(0, 5, (2, 48))
    drawn = random.integers(12, size=12)
    counts = person_counts(person, truth, guess, 12, 5)
    rows = np.concatenate([np.flatnonzero(person == p) for p in drawn])
    expected = f1_score(truth[rows], guess[rows], average="macro", zero_division=0)
    assert mean_f1(counts[drawn].sum(0)) == pytest.approx(expected)
    assert np.isnan(f1_of_counts(np.zeros((3, 5)))).all()


def test_draws_depend_on_the_seed_and_on_nothing_else() -> None:
    random = np.random.default_rng(2)
    counts = person_counts(np.arange(30), *random.integers(0, 3, (2, 30)), 30, 3)
    scores = drawn_f1([counts], seed=5)
    assert np.array_equal(drawn_f1([counts], seed=5), scores)
    assert np.array_equal(drawn_f1([counts], draws=200, seed=5), scores[:200])
    assert not np.array_equal(drawn_f1([counts], seed=6), scores)
    assert len(scores) == DRAWS
    low, high = interval(scores)
    assert ((scores >= low) & (scores <= high)).mean() == pytest.approx(0.95, abs=0.01)
    assert low < pooled_f1([counts]) < high


def test_draws_of_many_people_in_several_pieces_are_those_of_one() -> None:
    people = 6000
    random = np.random.default_rng(3)
    counts = person_counts(np.arange(people), *random.integers(0, 2, (2, people)), people, 2)
    scores = drawn_f1([counts], seed=7)
    drawn = np.random.default_rng(7).integers(people, size=(DRAWS, people))
    for number in (0, 500, DRAWS - 1):
        assert scores[number] == mean_f1(counts[drawn[number]].sum(0))
