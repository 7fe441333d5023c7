"""What each sampler promises: exact counts, or the expected counts of a closed form."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from faces.labels import UNKNOWN
from pipeline.balanced import Balanced, person_balanced, undersampled
from pipeline.samplers import (
    WEIGHT_RULES,
    InOrder,
    Shuffled,
    Weighted,
    WeightRule,
    class_weights,
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


@pytest.mark.parametrize("rule", WEIGHT_RULES)
def test_a_class_without_rows_changes_nothing(rule: WeightRule) -> None:
    classes = np.repeat([0, 2, UNKNOWN], [86, 17, 4])
    closed = np.where(classes == 2, 1, classes)
    np.testing.assert_array_equal(class_weights(classes, rule), class_weights(closed, rule))
    drawn = [undersampled(each).samples(epoch=0, seed=0) for each in (classes, closed)]
    np.testing.assert_array_equal(*drawn)
    assert len(drawn[0]) == 34


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
