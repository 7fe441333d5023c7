from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infer.ensemble.calibration import (
    TEMPERATURES,
    bin_of_photos,
    fit_temperature,
    log_loss,
    reliability,
    tempered,
)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def drawn(count: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and classes drawn from them: calibrated by construction."""
    rng = np.random.default_rng(seed)
    probabilities = softmax(rng.normal(0, 2, (count, classes)))
    truth = (probabilities.cumsum(1) > rng.random((count, 1))).argmax(1)
    return probabilities, truth


def test_hand_computed_error() -> None:
    confidence = np.array([0.9, 0.6, 0.9, 0.6])
    right = np.array([True, True, True, False])
    found = reliability(confidence, right, bins=2)
    np.testing.assert_allclose(found.confidence, [0.6, 0.9])
    np.testing.assert_allclose(found.accuracy, [0.5, 1.0])
    assert found.photos.tolist() == [2, 2]
    assert found.error == pytest.approx(0.1)


def test_answers_that_are_always_sure_err_by_their_share_of_wrong_ones() -> None:
    right = np.arange(100) % 4 > 0
    assert reliability(np.ones(100), right, bins=5).error == pytest.approx(0.25)
    assert reliability(np.full(100, 0.75), right, bins=1).error == pytest.approx(0)


def test_drawn_truth_has_a_small_error_and_sharpened_answers_a_large_one() -> None:
    probabilities, truth = drawn(20_000, 5, 0)
    for power, low, high in ((1.0, 0.0, 0.02), (0.4, 0.1, 0.5)):
        scaled = tempered(probabilities, power)
        error = reliability(scaled.max(1), scaled.argmax(1) == truth).error
        assert low <= error < high


@given(count=st.integers(1, 200), bins=st.integers(1, 30), seed=st.integers(0, 9))
def test_bins_are_equally_full_and_ordered(count: int, bins: int, seed: int) -> None:
    confidence = np.random.default_rng(seed).integers(0, 5, count) / 4
    of = bin_of_photos(confidence, bins)
    sizes = np.bincount(of)
    assert len(sizes) == min(bins, count) and sizes.max() - sizes.min() <= 1
    ordered = confidence[np.argsort(of, kind="stable")]
    edges = np.cumsum(sizes)[:-1]
    parts = np.split(ordered, edges)
    assert all(one.max() <= other.min() for one, other in pairwise(parts))


def test_log_loss_in_closed_form() -> None:
    truth = np.array([0, 1, 2])
    assert log_loss(np.full((3, 4), 0.25), truth) == pytest.approx(np.log(4))
    assert log_loss(np.eye(3), truth) == 0
    assert log_loss(1 - np.eye(3), truth) == pytest.approx(-np.log(1e-12))


@given(temperature=st.floats(*TEMPERATURES), seed=st.integers(0, 20))
def test_temperature_keeps_the_order_and_the_sum(temperature: float, seed: int) -> None:
    probabilities, _ = drawn(10, 6, seed)
    scaled = tempered(probabilities, temperature)
    np.testing.assert_allclose(scaled.sum(1), 1)
    np.testing.assert_array_equal(scaled.argmax(1), probabilities.argmax(1))
    sharper = scaled.max(1) >= probabilities.max(1) - 1e-12
    assert (sharper if temperature <= 1 else scaled.max(1) <= probabilities.max(1) + 1e-12).all()


@pytest.mark.parametrize("known", [0.4, 1.0, 2.5])
def test_a_known_temperature_is_found_again(known: float) -> None:
    probabilities, truth = drawn(30_000, 6, 1)
    distorted = tempered(probabilities, 1 / known)
    assert fit_temperature(distorted, truth) == pytest.approx(known, rel=0.03)
    # What was sharpened below 1e-12 does not come back.
    np.testing.assert_allclose(tempered(distorted, known), probabilities, atol=1e-4)


def test_no_temperature_nearby_has_a_smaller_loss() -> None:
    probabilities, truth = drawn(500, 6, 2)
    distorted = tempered(probabilities, 0.5)
    found = fit_temperature(distorted, truth)
    least = log_loss(tempered(distorted, found), truth)
    for factor in (0.9, 0.99, 1.01, 1.1):
        assert log_loss(tempered(distorted, found * factor), truth) >= least
