"""Samplers that balance: exact counts, fair over epochs, and another draw each epoch."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.balanced import Balanced, person_balanced, undersampled
from tests.pipeline.test_samplers import classes_of, seeds, sizes


@settings(deadline=None)
@given(counts=sizes, unknown=st.integers(0, 9), seed=seeds, epoch=st.integers(0, 99))
def test_undersampling_takes_as_many_of_each_class_as_the_rarest_has_and_none_twice(
    counts: list[int], unknown: int, seed: int, epoch: int
) -> None:
    classes = classes_of(counts, unknown)
    rarest = min(n for n in counts if n)
    samples = undersampled(classes).samples(epoch=epoch, seed=seed)
    assert len(set(samples.tolist())) == len(samples)
    assert np.bincount(classes[samples], minlength=len(counts)).tolist() == [rarest * (n > 0) for n in counts]


@settings(deadline=None, max_examples=30)
@given(counts=sizes, seed=seeds, first=st.integers(0, 20))
def test_undersampling_comes_to_every_row_in_as_few_epochs_as_can_be(
    counts: list[int], seed: int, first: int
) -> None:
    classes = classes_of(counts)
    rarest = min(n for n in counts if n)
    needed = -(-max(counts) // rarest)
    if first:  # in the middle of a lap, which lasts needed + 1 epochs at most; a whole one comes after it
        needed = 2 * needed + 1
    sampler = undersampled(classes)
    epochs = [sampler.samples(epoch=first + e, seed=seed) for e in range(needed)]
    assert set(np.concatenate(epochs).tolist()) == set(range(len(classes)))


def test_undersampling_takes_other_rows_each_epoch_but_all_of_the_rarest_class() -> None:
    classes = np.repeat([0, 1], [100, 10])
    first, second = (set(undersampled(classes).samples(epoch=e, seed=0).tolist()) for e in (0, 1))
    assert first & second == set(range(100, 110))


@settings(deadline=None)
@given(counts=sizes, seed=seeds, epoch=st.integers(0, 99))
def test_every_person_comes_equally_often_and_so_do_the_photos_of_a_person(
    counts: list[int], seed: int, epoch: int
) -> None:
    persons = np.array([f"p{code}" for code in classes_of(counts)])
    people = len(set(persons))
    samples = person_balanced(persons).samples(epoch=epoch, seed=seed)
    each = max(1, round(len(persons) / people))
    assert len(samples) == each * people
    names, came = np.unique(persons[samples], return_counts=True)
    assert len(names) == people and (came == each).all()
    for name in names:
        of_photo = np.bincount(samples, minlength=len(persons))[persons == name]
        assert of_photo.max() - of_photo.min() <= 1


@settings(deadline=None)
@given(counts=sizes, seed=seeds, each=st.integers(1, 9), epochs=st.integers(1, 9))
def test_over_epochs_the_rows_of_a_group_come_equally_often(
    counts: list[int], seed: int, each: int, epochs: int
) -> None:
    groups = classes_of(counts)
    sampler = Balanced(groups, each)
    samples = np.concatenate([sampler.samples(epoch=e, seed=seed) for e in range(epochs)])
    came = np.bincount(samples, minlength=len(groups))
    for group in set(groups.tolist()):
        of_row = came[groups == group]
        assert of_row.sum() == each * epochs and of_row.max() - of_row.min() <= 1


@settings(deadline=None)
@given(counts=sizes, seed=seeds, each=st.integers(1, 9))
def test_each_round_of_a_balanced_epoch_has_every_group_once(counts: list[int], seed: int, each: int) -> None:
    groups = classes_of(counts)
    rounds = groups[Balanced(groups, each).samples(epoch=3, seed=seed)].reshape(each, -1)
    assert all(sorted(one) == sorted(set(groups.tolist())) for one in rounds)


COUNTS = [40, 75, 100, 1001]
"""Of classes of which 40 come an epoch: all of one, most of another, and a few of large ones."""


def test_positions_are_drawn_anew_each_epoch_in_every_class() -> None:
    """Ranks of the positions of rows that two epochs share: nothing of one's order is in the other's."""
    classes = classes_of(COUNTS)
    sampler = undersampled(classes)
    epochs = [sampler.samples(epoch=epoch, seed=3) for epoch in range(60)]
    for code in range(3):
        ranks = []
        for one, other in itertools.pairwise(epochs):
            shared = np.intersect1d(one[classes[one] == code], other)
            if len(shared) >= 5:
                places = [
                    np.argsort(epoch)[np.searchsorted(np.sort(epoch), shared)] for epoch in (one, other)
                ]
                ranks.append(spearmanr(*places).statistic)
        # Of n shared rows a chance correlation has a standard deviation of 1 / sqrt(n - 1), at most .5 here.
        assert len(ranks) >= 20 and abs(np.mean(ranks)) < 4 * 0.5 / np.sqrt(len(ranks)), code
        assert max(ranks) < 1, code


def test_the_rows_of_a_large_class_come_in_other_company_each_lap() -> None:
    classes = classes_of([10, 100])
    sampler = undersampled(classes)
    sets = [
        frozenset(row for row in sampler.samples(epoch=epoch, seed=0).tolist() if classes[row] == 1)
        for epoch in range(30)
    ]
    assert len(set(sets)) == 30
    assert set.union(*map(set, sets[:10])) == set(np.flatnonzero(classes == 1).tolist())
    # Of two draws of 10 in 100 one row is common on average; a circle would repeat all ten.
    assert np.mean([len(one & other) for one, other in zip(sets[:-10], sets[10:], strict=True)]) < 2


def test_which_rows_come_is_fair_to_each_place_in_a_group() -> None:
    """Of 7 rows 3 a epoch, over many seeds: each equally often in an epoch that straddles two laps."""
    came = np.zeros(7)
    for seed in range(700):
        came += np.bincount(Balanced([0] * 7, 3).samples(epoch=2, seed=seed), minlength=7)
    assert came.sum() == 2100 and np.abs(came - 300).max() < 6 * np.sqrt(700 * 3 / 7 * 4 / 7)


@settings(deadline=None)
@given(counts=sizes, seed=seeds, each=st.integers(1, 60), epoch=st.integers(0, 40))
def test_no_row_comes_twice_in_an_epoch_before_all_of_its_group_have_come(
    counts: list[int], seed: int, each: int, epoch: int
) -> None:
    groups = classes_of(counts)
    came = np.bincount(Balanced(groups, each).samples(epoch=epoch, seed=seed), minlength=len(groups))
    for group in set(groups.tolist()):
        of_row = came[groups == group]
        assert of_row.sum() == each and of_row.max() - of_row.min() <= 1
