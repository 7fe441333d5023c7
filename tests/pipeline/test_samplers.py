"""What each sampler promises: exact counts, or the expected counts of a closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from faces.labels import UNKNOWN
from pipeline.samplers import (
    WEIGHT_RULES,
    Balanced,
    InOrder,
    Shuffled,
    Weighted,
    WeightRule,
    class_weights,
    person_balanced,
    undersampled,
)

seeds = st.integers(0, 2**32)
sizes = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)
"""Rows of each class; a class may have none."""


def classes_of(counts: list[int], unknown: int = 0) -> np.ndarray:
    """Codes of that many rows of each class, in a mixed order, and rows without a class."""
    code = np.repeat([*range(len(counts)), UNKNOWN], [*counts, unknown])
    return np.random.default_rng(0).permutation(code)


@settings(deadline=None)
@given(counts=sizes, unknown=st.integers(0, 9), beta=st.floats(0, 0.9999))
def test_class_weights_are_the_closed_forms(counts: list[int], unknown: int, beta: float) -> None:
    classes = classes_of(counts, unknown)
    forms = {
        "class_balanced": lambda n: 1 / n,
        "inverse_sqrt": lambda n: n**-0.5,
        "effective_number": lambda n: 1 / sum(beta**i for i in range(n)),  # (1 - beta) / (1 - beta^n)
    }
    for rule, form in forms.items():
        weights = class_weights(classes, rule, beta)
        for code, n in enumerate(counts):
            if n:
                np.testing.assert_allclose(weights[classes == code], form(n), rtol=1e-9)
        known = weights[classes != UNKNOWN]
        np.testing.assert_allclose(weights[classes == UNKNOWN], known.mean())
        if unknown:  # they are drawn as often as without a sampler
            share = weights[classes == UNKNOWN].sum() / weights.sum()
            assert share == pytest.approx(unknown / len(classes))


@settings(deadline=None)
@given(counts=sizes)
def test_class_balanced_gives_every_class_the_same_weight(counts: list[int]) -> None:
    classes = classes_of(counts)
    of_class = np.bincount(classes, class_weights(classes, "class_balanced"))
    np.testing.assert_allclose(of_class[of_class > 0], 1)


@settings(deadline=None)
@given(counts=sizes)
def test_effective_number_lies_between_no_balancing_and_all_of_it(counts: list[int]) -> None:
    classes = classes_of(counts)
    np.testing.assert_allclose(class_weights(classes, "effective_number", 0.0), 1)
    nearly = class_weights(classes, "effective_number", 1 - 1e-9)
    np.testing.assert_allclose(nearly, class_weights(classes, "class_balanced"), rtol=1e-6)


@pytest.mark.parametrize("rule", WEIGHT_RULES)
def test_draws_come_as_often_as_the_rule_says(rule: WeightRule) -> None:
    classes = classes_of([5000, 500, 50, 5])
    weights = class_weights(classes, rule, 0.99)
    sampler = Weighted(weights)
    drawn = np.concatenate([classes[sampler.samples(epoch=epoch, seed=1)] for epoch in range(5)])
    expected = np.bincount(classes, weights) / weights.sum() * len(drawn)
    assert chisquare(np.bincount(drawn, minlength=4), expected).pvalue > 1e-4


@settings(deadline=None, max_examples=20)
@given(seed=seeds, scale=st.sampled_from([1e-300, 1e-6, 1.0, 1e6, 1e300]))
def test_weights_set_frequencies_and_their_scale_does_not_matter(seed: int, scale: float) -> None:
    weights = np.repeat([0.0, 1.0, 3.0], 1000)
    samples = Weighted(weights * scale).samples(epoch=0, seed=seed)
    share = np.bincount(samples // 1000, minlength=3) / 3000
    # Six standard deviations of a binomial share at n = 3000 are 0.048.
    assert share[0] == 0 and abs(share[1] - 0.25) < 0.048 and abs(share[2] - 0.75) < 0.048


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


@settings(deadline=None)
@given(counts=sizes, seed=seeds, first=st.integers(0, 20))
def test_undersampling_comes_to_every_row_in_as_few_epochs_as_can_be(
    counts: list[int], seed: int, first: int
) -> None:
    classes = classes_of(counts)
    needed = -(-max(counts) // min(n for n in counts if n))
    sampler = undersampled(classes)
    epochs = [sampler.samples(epoch=first + e, seed=seed) for e in range(needed)]
    assert set(np.concatenate(epochs).tolist()) == set(range(len(classes)))


@pytest.mark.parametrize("rule", WEIGHT_RULES)
def test_a_class_without_rows_changes_nothing(rule: WeightRule) -> None:
    classes = np.repeat([0, 2, UNKNOWN], [86, 17, 4])
    closed = np.where(classes == 2, 1, classes)
    np.testing.assert_array_equal(class_weights(classes, rule), class_weights(closed, rule))
    drawn = [undersampled(each).samples(epoch=0, seed=0) for each in (classes, closed)]
    np.testing.assert_array_equal(*drawn)
    assert len(drawn[0]) == 34


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shuffled(0), "at least one sample, got 0"),
        (lambda: InOrder(0), "at least one sample, got 0"),
        (lambda: Weighted([[1.0, 2.0]]), r"shape \(1, 2\), need \(n,\)"),
        (lambda: Weighted([]), r"shape \(0,\)"),
        (lambda: Weighted([1.0, -2.0]), "got -2.0 at row 1"),
        (lambda: Weighted([0.0, 0.0]), "all 0"),
        (
            lambda: Weighted([1.0, float("nan"), float("nan")]),
            r"finite and 0 or more, got nan at row 1 \(2 such",
        ),
        (lambda: Weighted([1.0, float("inf")]), "got inf at row 1"),
        (lambda: class_weights([0], "class_balance"), "did you mean 'class_balanced'"),  # type: ignore[arg-type]
        (lambda: class_weights([0], "effective_number", 1.0), r"beta=1.0: must be in \[0, 1\)"),
        (lambda: class_weights([UNKNOWN] * 3, "inverse_sqrt"), "none of 3 rows has a class"),
        (lambda: undersampled([UNKNOWN] * 3), "none of 3 rows has a group"),
        (lambda: person_balanced([]), "none of 0 rows has a group"),
        (lambda: Balanced([0], 0), "each=0"),
    ],
)
def test_what_cannot_be_sampled_is_named(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]
