import pytest
import torch
from torch.nn.functional import cross_entropy

from train.losses import heads_loss
from train.mixing import Mix, soft_labels

N = 6


def logits(seed: int = 0) -> torch.Tensor:
    return torch.randn(N, 3, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def mixed(classes: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    ring = torch.arange(N).roll(-1)
    return soft_labels({"mask": classes}, Mix(partner=ring, share=share, boxes=None))["mask"]


SHARE = torch.tensor([0.7, 1.0, 0.25, 0.5, 0.0, 0.9])
CLASSES = torch.tensor([0, 2, 1, 1, 0, 2])


def gradient(scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    (found,) = torch.autograd.grad(heads_loss({"mask": scores}, {"mask": target}), scores)
    return found


def test_hard_labels_keep_their_bits() -> None:
    scores, classes = logits(), torch.tensor([0, 2, -1, 1, 0, -1])
    expected = cross_entropy(scores, classes, ignore_index=-1, reduction="sum") / 4
    assert torch.equal(heads_loss({"mask": scores}, {"mask": classes}), expected)


def test_the_gradient_is_softmax_less_target() -> None:
    scores, target = logits(), mixed(CLASSES, SHARE)
    torch.testing.assert_close(gradient(scores, target), (scores.softmax(1) - target) / N)


def test_the_loss_is_shared_between_both_labels() -> None:
    scores = logits()
    own = cross_entropy(scores, CLASSES, reduction="none")
    partners = cross_entropy(scores, CLASSES.roll(-1), reduction="none")
    expected = (SHARE * own + (1 - SHARE) * partners).mean()
    torch.testing.assert_close(heads_loss({"mask": scores}, {"mask": mixed(CLASSES, SHARE)}), expected)


def test_whole_photos_lose_the_same_with_soft_labels() -> None:
    scores, classes = logits(), torch.tensor([0, 2, -1, 1, 0, -1])
    soft = heads_loss({"mask": scores}, {"mask": mixed(classes, torch.ones(N))})
    torch.testing.assert_close(soft, heads_loss({"mask": scores}, {"mask": classes}))


def test_an_unknown_share_is_as_if_labelled_with_the_networks_own_belief() -> None:
    """It adds nothing to the gradient, and the mean is over the known shares."""
    scores = logits()
    target = mixed(torch.tensor([0, -1, 1, -1, -1, 2]), SHARE)
    known = target.sum(1)
    # photo by photo: .7 of .7 + .3 unknown, none, .25, the partner's none, the partner's 1, .9 + .1
    torch.testing.assert_close(known, torch.tensor([0.7, 0.0, 0.25, 0.0, 1.0, 1.0]))
    filled = target + (1 - known)[:, None] * scores.softmax(1).detach()
    whole = gradient(scores, filled) * N
    torch.testing.assert_close(gradient(scores, target), whole / known.sum())


def test_a_sliver_of_a_label_does_not_weigh_like_a_batch() -> None:
    scores = logits()
    target = torch.zeros(N, 3)
    target[0, 1] = 0.01
    found = heads_loss({"mask": scores}, {"mask": target})
    assert found.item() == pytest.approx(-0.01 * scores.log_softmax(1)[0, 1].item())
    assert heads_loss({"mask": scores}, {"mask": torch.zeros(N, 3)}).item() == 0


def test_heads_add_up() -> None:
    scores = {"mask": logits(0), "gender": logits(1)[:, :2]}
    target = {"mask": mixed(CLASSES, SHARE), "gender": torch.eye(2)[CLASSES % 2]}
    parts = [heads_loss({task: scores[task]}, {task: target[task]}) for task in scores]
    torch.testing.assert_close(heads_loss(scores, target), parts[0] + parts[1])
