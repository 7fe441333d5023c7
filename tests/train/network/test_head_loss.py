"""What a head minimises: terms, class weights, smoothing, and what the mean is taken over."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from timm.loss import LabelSmoothingCrossEntropy
from torch import Tensor
from torch.nn.functional import cross_entropy

from faces.labels import CONTEST
from pipeline.samplers import class_weights as row_weights
from tests.helpers.batches import CLASSES, K, N, drawn, gradient, hard, logits
from train.network.losses import HeadLoss, class_weights, focal_each, ldam_margins, soft_f1
from train.network.objective import objective_of
from train.recipe.network import Loss
from train.recipe.recipe import Recipe

COUNTS = torch.tensor([16.0, 81.0, 256.0])
PLAIN = Loss()
ALL = Loss(
    terms=("cross_entropy", "focal", "ldam", "f1", "symmetric"),
    weights=(1.0, 0.5, 0.3, 2.0, 0.7),
    class_weights="inverse",
    smoothing=0.1,
    scale=2.0,
)


def head(loss: Loss = PLAIN, counts: Tensor = COUNTS) -> HeadLoss:
    return HeadLoss(loss, counts)


def test_smoothed_cross_entropy_is_that_of_timm_and_torch() -> None:
    scores = logits()
    found = head(Loss(smoothing=0.2))(scores, hard(CLASSES), epoch=0)
    torch.testing.assert_close(found, LabelSmoothingCrossEntropy(0.2)(scores, CLASSES))
    torch.testing.assert_close(found, cross_entropy(scores, CLASSES, label_smoothing=0.2))


@pytest.mark.parametrize("custom", [(), (0.2, 1.0, 5.0)])
def test_with_hard_labels_it_is_the_cross_entropy_of_torch(custom: tuple[float, ...]) -> None:
    scores, classes = logits(), CLASSES.clone()
    classes[[2, 7]] = -1
    loss = head(Loss(class_weights="custom", custom=custom) if custom else PLAIN)
    expected = cross_entropy(scores, classes, weight=torch.tensor(custom or (1.0,) * K), ignore_index=-1)
    found = loss(scores, hard(classes), epoch=0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(gradient(found, scores), gradient(expected, scores))


def test_ldam_is_the_cross_entropy_of_lowered_scores() -> None:
    scores = logits()
    lowered = scores - 2 * ldam_margins(COUNTS, 0.5) * hard(CLASSES)
    found = head(Loss(terms=("ldam",), scale=2.0))(scores, hard(CLASSES), epoch=0)
    torch.testing.assert_close(found, cross_entropy(lowered, CLASSES))
    # On plain logits the scale is the loss's, and the margins are theirs.
    plain = head(Loss(terms=("ldam",), scale=2.0, ldam_on="logits"))(scores, hard(CLASSES), epoch=0)
    margins = ldam_margins(COUNTS, 0.5) * hard(CLASSES)
    torch.testing.assert_close(plain, cross_entropy(2 * (scores - margins), CLASSES))


def test_complements_weigh_as_the_share_of_the_others() -> None:
    found = class_weights(Loss(class_weights="complement"), torch.tensor([10.0, 30.0, 60.0]))
    torch.testing.assert_close(found / found[0], torch.tensor([0.9, 0.7, 0.4]) / 0.9)


def test_the_gradient_of_cross_entropy_is_softmax_less_target() -> None:
    scores = logits()
    target = torch.lerp(hard(CLASSES), hard(CLASSES.roll(-1)), 0.3)
    found = gradient(head()(scores, target, epoch=0), scores)
    torch.testing.assert_close(found, (scores.softmax(1) - target) / N)


def test_an_unknown_share_is_as_if_labelled_with_the_networks_own_belief() -> None:
    """Mixed photos of which a part has no label: it adds nothing to the gradient."""
    scores = logits(n=4)
    target = torch.tensor([[0.7, 0.0, 0.0], [0.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.0, 0.0, 0.25]])
    known = target.sum(1)
    filled = target + (1 - known)[:, None] * scores.softmax(1).detach()
    whole = gradient(head()(scores, filled, epoch=0), scores) * 4
    torch.testing.assert_close(gradient(head()(scores, target, epoch=0), scores), whole / known.sum())


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_the_order_of_photos_does_not_matter(seed: int) -> None:
    scores, target = (part.float() for part in drawn(seed))
    order = torch.from_numpy(np.random.default_rng(seed).permutation(N))
    loss = head(ALL)
    torch.testing.assert_close(
        loss(scores[order], target[order], epoch=0), loss(scores, target, epoch=0), rtol=1e-5, atol=1e-6
    )


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**31))
def test_photos_without_weight_add_nothing(seed: int) -> None:
    scores, target = (part.float() for part in drawn(seed))
    known = target.sum(1) > 0
    loss = head(ALL)
    assume(bool(known.any()))
    scores.requires_grad_()
    value, without = loss(scores, target, epoch=0), loss(scores[known], target[known], epoch=0)
    torch.testing.assert_close(value, without, rtol=1e-5, atol=1e-6)
    slope = gradient(value, scores)
    torch.testing.assert_close(slope, gradient(without, scores), rtol=1e-4, atol=1e-6)
    assert not slope[~known].any()


def test_two_half_photos_are_one() -> None:
    scores, target = logits(), torch.lerp(hard(CLASSES), hard(CLASSES.roll(-1)), 0.3)
    twice = torch.cat([scores, scores]), torch.cat([0.25 * target, 0.75 * target])
    torch.testing.assert_close(head(ALL)(*twice, epoch=0), head(ALL)(scores, target, epoch=0))


def test_terms_add_up_with_their_weights() -> None:
    scores, target = logits(), hard(CLASSES)
    both = head(Loss(terms=("focal", "f1"), weights=(0.8, 0.2), gamma=3.0))(scores, target, epoch=0)
    expected = 0.8 * focal_each(scores, target, 3.0).mean() + 0.2 * soft_f1(scores, target)
    torch.testing.assert_close(both, expected)
    singly = [
        head(dataclasses.replace(ALL, terms=(term,), weights=()))(scores, target, epoch=0)
        for term in ALL.terms
    ]
    weighted = [weight * value for weight, value in zip(ALL.weights, singly, strict=True)]
    torch.testing.assert_close(head(ALL)(scores, target, epoch=0), torch.stack(weighted).sum())


def test_symmetric_takes_its_two_weights_from_the_recipe() -> None:
    scores, target = logits(), hard(CLASSES)
    found = head(Loss(terms=("symmetric",), forward=0.3, reverse=0.7))(scores, target, epoch=0)
    wrong = 1 - scores.softmax(1)[torch.arange(N), CLASSES]
    expected = 0.3 * cross_entropy(scores, CLASSES) + 0.7 * math.log(1e4) * wrong.mean()
    torch.testing.assert_close(found, expected)


def test_a_sliver_of_a_label_does_not_weigh_like_a_batch() -> None:
    scores = logits()
    target = torch.zeros(N, K)
    target[0, 1] = 0.01
    found = head()(scores, target, epoch=0)
    assert found.item() == pytest.approx(-0.01 * scores.log_softmax(1)[0, 1].item())
    assert head()(scores, torch.zeros(N, K), epoch=0).item() == 0


def test_class_weights_begin_in_their_epoch() -> None:
    scores, target = logits(), hard(CLASSES)
    deferred = head(Loss(class_weights="inverse", defer_epochs=3))
    plain = head()(scores, target, epoch=0)
    weighted = head(Loss(class_weights="inverse"))(scores, target, epoch=0)
    assert not torch.isclose(plain, weighted)
    for epoch in range(6):
        assert torch.equal(deferred(scores, target, epoch=epoch), weighted if epoch >= 3 else plain)


def test_f1_knows_no_class_weights() -> None:
    scores, target = logits(), hard(CLASSES)
    found = head(Loss(terms=("f1",), class_weights="inverse"))(scores, target, epoch=0)
    torch.testing.assert_close(found, soft_f1(scores, target))


def test_processes_that_share_their_mass_find_the_gradient_of_the_whole_batch() -> None:
    scores = logits()
    target = hard(CLASSES) * torch.linspace(0.2, 1, N)[:, None]
    loss = head(dataclasses.replace(ALL, terms=("cross_entropy", "focal", "ldam", "symmetric"), weights=()))
    masses: list[Tensor] = []
    parts = [(scores[:5], target[:5]), (scores[5:], target[5:])]
    for part in parts:
        loss(*part, epoch=0, total=lambda mass: (masses.append(mass), mass)[1])
    mean = torch.stack(masses).mean()
    shared = torch.stack([loss(*part, epoch=0, total=lambda _: mean) for part in parts]).mean()
    whole = loss(scores, target, epoch=0)
    torch.testing.assert_close(shared, whole)
    torch.testing.assert_close(gradient(shared, scores), gradient(whole, scores))


def test_it_computes_in_float32_under_autocast() -> None:
    scores, target = logits().detach().bfloat16(), hard(CLASSES)
    with torch.autocast("cpu", torch.bfloat16):
        found = head(ALL)(scores, target, epoch=0)
    assert found.dtype == torch.float32
    assert torch.equal(found, head(ALL)(scores.float(), target, epoch=0))


def test_the_host_reads_nothing_from_the_device() -> None:
    """Tensors of the meta device have no values: reading one is an error."""
    loss = head(ALL).to("meta")
    found = loss(logits().to("meta"), hard(CLASSES).to("meta"), epoch=0)
    assert found.device.type == "meta" and found.shape == ()


def test_nothing_of_it_is_saved() -> None:
    assert not head(ALL).state_dict()


RULES = [
    Loss(class_weights="inverse"),
    Loss(class_weights="complement"),
    Loss(class_weights="effective_number", beta=0.9),
    Loss(class_weights="effective_number", beta=0.0),
    Loss(class_weights="custom", custom=(3.0, 1.0, 0.5)),
    Loss(),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.class_weights)
@settings(deadline=None, max_examples=20)
@given(counts=st.lists(st.floats(0.01, 1e5), min_size=3, max_size=3))
def test_the_mean_weight_of_the_counted_photos_is_1(rule: Loss, counts: list[float]) -> None:
    photos = torch.tensor(counts)
    weights = class_weights(rule, photos)
    assert weights.dtype == torch.float32 and (weights > 0).all()
    assert float((weights * photos).sum() / photos.sum()) == pytest.approx(1, rel=1e-5)


@settings(deadline=None, max_examples=30)
@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=6), beta=st.floats(0, 0.9999))
def test_rules_weigh_as_the_samplers_of_their_name(counts: list[int], beta: float) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    for settings_, rule in (
        (Loss(class_weights="inverse"), "class_balanced"),
        (Loss(class_weights="effective_number", beta=beta), "effective_number"),
    ):
        of_rows = row_weights(classes, rule, beta)
        expected = torch.from_numpy(of_rows / of_rows.mean()).float()
        found = class_weights(settings_, torch.tensor(counts).float())[torch.from_numpy(classes)]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)


ABSENT = torch.tensor([86.0, 0.0, 17.0])
THERE = [0, 2]


@pytest.mark.parametrize("term", ALL.terms)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.class_weights}-{rule.beta}")
def test_a_class_that_nobody_has_changes_nothing_for_the_others(term: str, rule: Loss) -> None:
    """Scores and labels of two classes, and the same with a third between them that is never believed in."""
    scores = logits()[:, THERE].detach().requires_grad_()
    target = torch.lerp(hard(CLASSES % 2, 2), hard(CLASSES.roll(-1) % 2, 2), 0.3)
    wanted = dataclasses.replace(rule, terms=(term,), smoothing=0.1, scale=2.0)
    custom = tuple(rule.custom[n] for n in THERE) if rule.custom else ()
    two = HeadLoss(dataclasses.replace(wanted, custom=custom), ABSENT[THERE])(scores, target, epoch=0)
    wide = torch.full((N, K), -1e4).index_copy(1, torch.tensor(THERE), scores)
    labels = torch.zeros(N, K).index_copy(1, torch.tensor(THERE), target)
    three = HeadLoss(wanted, ABSENT)(wide, labels, epoch=0)
    torch.testing.assert_close(three, two)
    torch.testing.assert_close(gradient(three, scores), gradient(two, scores))


def test_training_counts_the_photos_of_a_fold_and_no_tails_of_spread_numbers() -> None:
    """86 photos of one class and 17 of another; labels of the first reach a little into the one between."""
    targets = np.repeat(np.eye(3, dtype=np.float32), [86, 0, 17], axis=0)
    targets[:86] += np.float32([-1e-5, 1e-5, 0])
    recipe = Recipe(tasks=("mask",), loss=Loss(terms=("ldam",), margin=0.5, scale=2.0))
    margins = objective_of(recipe, CONTEST, {"mask": targets}).heads["mask"].margins
    torch.testing.assert_close(margins / 2, torch.tensor([0.5 * (17 / 86) ** 0.25, 0.0, 0.5]))


@pytest.mark.parametrize("counts", [ABSENT, torch.zeros(3), torch.tensor([0.0, 0.0, 5.0])])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.class_weights}-{rule.beta}")
def test_absent_classes_make_nothing_infinite(rule: Loss, counts: Tensor) -> None:
    wanted = dataclasses.replace(ALL, class_weights=rule.class_weights, beta=rule.beta, custom=rule.custom)
    loss = HeadLoss(wanted, counts)
    scores = logits()
    value = loss(scores, hard(CLASSES) * (counts > 0), epoch=0)
    assert value.isfinite() and gradient(value, scores).isfinite().all()
    assert loss.weights.isfinite().all() and loss.margins.isfinite().all()
    assert not loss.margins[counts == 0].any()


def test_the_host_reads_nothing_where_a_class_is_absent() -> None:
    loss = HeadLoss(ALL, ABSENT).to("meta")
    assert loss(logits().to("meta"), hard(CLASSES).to("meta"), epoch=0).device.type == "meta"


def test_class_weights_by_hand() -> None:
    counts = torch.tensor([1.0, 3.0])
    inverse = class_weights(Loss(class_weights="inverse"), counts)
    torch.testing.assert_close(inverse, torch.tensor([2.0, 2 / 3]))
    halved = class_weights(Loss(class_weights="effective_number", beta=0.5), counts)  # 1 and 1 / 1.75
    torch.testing.assert_close(halved, torch.tensor([1, 1 / 1.75]) * 4 / (1 + 3 / 1.75))
    custom = class_weights(Loss(class_weights="custom", custom=(3.0, 1.0)), counts)
    torch.testing.assert_close(custom, torch.tensor([2.0, 2 / 3]))
    assert torch.equal(class_weights(PLAIN, counts), torch.ones(2))
