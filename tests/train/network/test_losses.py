"""What each loss is, by closed forms, by other libraries and by what must not change it."""

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from timm.loss import SoftTargetCrossEntropy
from torch import Tensor
from torchvision.ops import sigmoid_focal_loss

from tests.helpers.batches import CLASSES, K, N, drawn, gradient, hard, logits
from train.network.losses import (
    cross_entropy_each,
    focal_each,
    ldam_each,
    ldam_margins,
    smoothed,
    soft_f1,
    symmetric_each,
)

PhotoLoss = Callable[[Tensor, Tensor], Tensor]

EACH: dict[str, PhotoLoss] = {
    "cross_entropy": cross_entropy_each,
    "focal": lambda scores, target: focal_each(scores, target, 2.0),
    "focal, gamma below 1": lambda scores, target: focal_each(scores, target, 0.5),
    "ldam": lambda scores, target: ldam_each(scores, target, torch.linspace(1, 2, scores.shape[1])),
    "symmetric": lambda scores, target: symmetric_each(scores, target, 0.1, 1.0),
}
LOSSES = EACH | {"f1": soft_f1}
each_loss = pytest.mark.parametrize("loss", EACH.values(), ids=EACH)
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)

shapes = st.tuples(st.integers(0, 2**31), st.integers(1, 9), st.integers(2, 6))
"""Seed, photos and classes of `drawn`."""

# Probabilities [1/2, 1/4, 1/4] are logits of their logarithms.
HALF = torch.tensor([[0.5, 0.25, 0.25]]).log()
BOTH = torch.tensor([[0.5, 0.5, 0.0]])


def test_cross_entropy_by_hand() -> None:
    assert cross_entropy_each(HALF, BOTH).item() == pytest.approx(1.5 * math.log(2))
    assert cross_entropy_each(HALF, 0.1 * BOTH).item() == pytest.approx(0.15 * math.log(2))


def test_focal_loss_by_hand() -> None:
    expected = 0.5 * 0.5**2 * math.log(2) + 0.5 * 0.75**2 * math.log(4)
    assert focal_each(HALF, BOTH, 2.0).item() == pytest.approx(expected)


def test_ldam_by_hand() -> None:
    scores, target, margins = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.7, 0.3]]), torch.tensor([2.0, 3.0])
    expected = 0.7 * math.log1p(math.exp(1)) + 0.3 * math.log1p(math.exp(4))
    assert ldam_each(scores, target, margins).item() == pytest.approx(expected)


def test_symmetric_cross_entropy_by_hand() -> None:
    hard_label = 0.1 * math.log(2) + 2 * 0.5 * math.log(1e4)
    found = symmetric_each(HALF, torch.tensor([[1.0, 0.0, 0.0]]), 0.1, 2.0)
    assert found.item() == pytest.approx(hard_label)
    mixed = 0.1 * 1.5 * math.log(2) + 2 * (0.75 * math.log(2) + 0.25 * math.log(1e4))
    assert symmetric_each(HALF, BOTH, 0.1, 2.0).item() == pytest.approx(mixed)
    assert symmetric_each(HALF, BOTH / 4, 0.1, 2.0).item() == pytest.approx(mixed / 4)


def test_soft_f1_by_hand_gives_an_absent_class_0() -> None:
    scores = torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log()
    expected = (2 * 0.75 / 2.25 + 2 * 0.5 / 1.75) / 2
    assert soft_f1(scores, torch.eye(2)).item() == pytest.approx(1 - expected)
    third = torch.cat([scores, torch.full((2, 1), -1e4)], dim=1)
    assert soft_f1(third, torch.eye(3)[:2]).item() == pytest.approx(1 - expected * 2 / 3)
    assert soft_f1(scores, torch.zeros(2, 2)).item() == 1
    assert soft_f1(third, torch.eye(3)[:2], torch.tensor([0, 1])).item() == pytest.approx(1 - expected)


def test_smoothing_by_hand() -> None:
    found = smoothed(torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0]]), 0.3)
    torch.testing.assert_close(found, torch.tensor([[0.4, 0.05, 0.05], [0.0, 0.0, 0.0]]))
    over_two = smoothed(torch.tensor([[0.5, 0.0, 0.0]]), 0.3, torch.tensor([0, 1]))
    torch.testing.assert_close(over_two, torch.tensor([[0.425, 0.075, 0.0]]))


def test_margins_by_hand() -> None:
    found = ldam_margins(torch.tensor([2.0, 32.0, 162.0]), 0.6)
    torch.testing.assert_close(found, torch.tensor([0.6, 0.3, 0.2]))
    # Nobody is of the second class: the third is the rarest, and the first gets (17 / 86)^(1 / 4) of its .5.
    absent = ldam_margins(torch.tensor([86.0, 0.0, 17.0]), 0.5)
    torch.testing.assert_close(absent, torch.tensor([0.5 * (17 / 86) ** 0.25, 0.0, 0.5]))
    assert absent[0].item() == pytest.approx(0.333, abs=5e-4)
    assert not ldam_margins(torch.zeros(3), 0.5).any()


@settings(deadline=None, max_examples=30)
@given(batch=shapes)
def test_cross_entropy_is_that_of_timm(batch: tuple[int, int, int]) -> None:
    scores, target = drawn(*batch)
    torch.testing.assert_close(
        cross_entropy_each(scores, target).mean(), SoftTargetCrossEntropy()(scores, target)
    )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
def test_focal_loss_of_two_classes_is_that_of_torchvision(gamma: float) -> None:
    score = torch.linspace(-8, 8, 33, dtype=torch.float64)
    true = torch.arange(33) % 2
    found = focal_each(torch.stack([torch.zeros_like(score), score], dim=1), hard(true, 2), gamma)
    expected = sigmoid_focal_loss(score, true.double(), alpha=-1, gamma=gamma)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)


@settings(deadline=None, max_examples=30)
@given(pairs=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30))
def test_soft_f1_of_sure_predictions_is_that_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    true, guessed = torch.tensor(pairs).unbind(1)
    expected = f1_score(true, guessed, labels=range(4), average="macro", zero_division=0)
    found = soft_f1(1e4 * hard(guessed, 4), hard(true, 4))
    assert found.item() == pytest.approx(1 - expected, abs=1e-6)


@every_loss
@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_right_for_soft_labels(loss: PhotoLoss, seed: int) -> None:
    scores, target = drawn(seed, n=4)
    assert torch.autograd.gradcheck(lambda x: loss(x, target), scores.requires_grad_())


@every_loss
def test_a_step_downhill_raises_the_true_class(loss: PhotoLoss) -> None:
    scores = logits()
    slope = gradient(loss(scores, hard(CLASSES)).sum(), scores)
    assert (slope[torch.arange(N), CLASSES] < 0).all()


@every_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_saturated_scores_stay_finite(loss: PhotoLoss, dtype: torch.dtype) -> None:
    signs = torch.cartesian_prod(*[torch.tensor([-1e4, 0.0, 1e4], dtype=dtype)] * K)
    rows = torch.tensor([[0, 0, 0], [1, 0, 0], [0, 0.7, 0.3], [0.1, 0.1, 0.1]], dtype=dtype)
    scores = signs.repeat_interleave(len(rows), dim=0).requires_grad_()
    target = rows.repeat(len(signs), 1)
    value = loss(scores, target)
    slope = gradient(value.sum(), scores)
    assert value.isfinite().all() and slope.isfinite().all()
    assert not slope[target.sum(dim=1) == 0].any()


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0])
def test_a_sure_and_right_photo_has_no_focal_loss(gamma: float) -> None:
    scores = torch.tensor([[1e4, 0.0], [40.0, 0.0]]).requires_grad_()
    value = focal_each(scores, torch.tensor([[1.0, 0.0], [1.0, 0.0]]), gamma)
    assert value.abs().max() < 1e-6
    assert gradient(value.sum(), scores).abs().max() < 1e-6


@settings(deadline=None, max_examples=30)
@given(batch=shapes)
def test_all_of_them_end_in_cross_entropy(batch: tuple[int, int, int]) -> None:
    scores, target = drawn(*batch)
    plain = cross_entropy_each(scores, target)
    torch.testing.assert_close(focal_each(scores, target, 0.0), plain)
    torch.testing.assert_close(ldam_each(scores, target, torch.zeros(batch[2])), plain)
    torch.testing.assert_close(symmetric_each(scores, target, 1.0, 0.0), plain)


@pytest.mark.parametrize("name", ["cross_entropy", "focal", "ldam"])
@settings(deadline=None, max_examples=20)
@given(batch=shapes, share=st.floats(0, 1))
def test_mixing_shares_the_loss_between_both_labels(
    name: str, batch: tuple[int, int, int], share: float
) -> None:
    scores, first = drawn(*batch)
    second = first.roll(1, dims=0)
    found = EACH[name](scores, share * first + (1 - share) * second)
    expected = share * EACH[name](scores, first) + (1 - share) * EACH[name](scores, second)
    torch.testing.assert_close(found, expected)


@each_loss
@settings(deadline=None, max_examples=20)
@given(batch=shapes, weight=st.floats(0, 1))
def test_a_photo_loses_in_proportion_to_its_weight(
    loss: PhotoLoss, batch: tuple[int, int, int], weight: float
) -> None:
    scores, target = drawn(*batch)
    torch.testing.assert_close(loss(scores, weight * target), weight * loss(scores, target))


@settings(deadline=None, max_examples=30)
@given(batch=shapes, share=st.floats(0, 0.99))
def test_smoothing_keeps_the_weights_of_photos(batch: tuple[int, int, int], share: float) -> None:
    _, target = drawn(*batch)
    found = smoothed(target, share)
    torch.testing.assert_close(found.sum(1), target.sum(1))
    assert (found >= 0).all() and torch.equal(smoothed(target, 0.0), target)
