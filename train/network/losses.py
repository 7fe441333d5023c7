"""What a head whose coding is "classes" minimises.

Every loss takes soft targets, so hard, mixed, spread and uncertain labels go one way: a target is float
[n, k], its entries 0 or more, each row summing to the weight of its photo, in [0, 1]. A hard label is a
one-hot row; a photo that is not labelled for the head is a row of zeros, which adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax

from train.recipe.network import Loss, LossName

_LEAST_LABEL: Final = 1e-4
"""Stands for 0 where the logarithm of a label is taken: that of the code of Wang et al. 2019."""
_LEAST_COUNT: Final = 1e-8
"""Photos by which 0 / 0 is divided instead, in F1."""


def cross_entropy_each(scores: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy: -sum_c t_c log p_c.

    Args:
        scores: float [n, k] logits.
        target: float [n, k], rows of any sum.

    Returns:
        [n] loss of each photo, times its weight.
    """
    return cross_entropy(scores, target, reduction="none")


def focal_each(scores: Tensor, target: Tensor, gamma: float) -> Tensor:
    """Focal loss: -sum_c t_c (1 - p_c)^gamma log p_c, Lin et al., ICCV 2017.

    Args:
        scores: float [n, k] logits.
        target: float [n, k], rows of any sum.
        gamma: 0 or more; 0 is cross-entropy.

    Returns:
        [n] loss of each photo, times its weight.
    """
    logs = log_softmax(scores, dim=1)
    # Below gamma = 1 the power has no slope at 0, and 0 times infinity would be the gradient of a sure photo.
    missing = (-torch.expm1(logs)).clamp(min=torch.finfo(logs.dtype).tiny)
    return -(target * missing.pow(gamma) * logs).sum(dim=1)


def ldam_each(scores: Tensor, target: Tensor, margins: Tensor) -> Tensor:
    """Label-distribution-aware margin loss, Cao et al., NeurIPS 2019.

    That of class c is the cross-entropy after the score of c alone was lowered by its margin; a soft row
    shares the loss out: sum_c t_c times that of class c. Scores 1 and 0 with margins 2 and 3 lose log(1 + e)
    if the first class is true and log(1 + e^4) if the second is; a target [.7, .3] loses .7 and .3 of these.

    Args:
        scores: float [n, k], cosines or logits, times the scale.
        target: float [n, k], rows of any sum.
        margins: float [k], 0 or more, times the scale; all 0 is cross-entropy.

    Returns:
        [n] loss of each photo, times its weight.
    """
    lowered = scores[:, None, :] - torch.diag(margins)
    logs = log_softmax(lowered, dim=2).diagonal(dim1=1, dim2=2)
    return -(target * logs).sum(dim=1)


def symmetric_each(scores: Tensor, target: Tensor, forward: float, reverse: float) -> Tensor:
    """Symmetric cross-entropy for noisy labels, Wang et al., ICCV 2019.

    forward * -sum_c t_c log p_c + reverse * -w sum_c p_c log(t_c / w), with w the sum of the row and t_c / w
    at least 1e-4, as in the paper's code. The reverse part of a hard label is w (1 - p_true) log(10^4):
    bounded, so that a wrong label cannot pull without end.

    Args:
        scores: float [n, k] logits.
        target: float [n, k], rows of any sum.
        forward: weight of the cross-entropy, 0 or more.
        reverse: weight of the reverse cross-entropy, 0 or more.

    Returns:
        [n] loss of each photo, times its weight.
    """
    weight = target.sum(dim=1)
    share = target / weight.clamp(min=torch.finfo(target.dtype).tiny)[:, None]
    surprise = -share.clamp(min=_LEAST_LABEL).log()
    backwards = weight * (scores.softmax(dim=1) * surprise).sum(dim=1)
    return forward * cross_entropy_each(scores, target) + reverse * backwards


def soft_f1(scores: Tensor, target: Tensor, classes: Tensor | None = None) -> Tensor:
    """One less the macro F1 of the batch, whose counts are sums of probabilities.

    The F1 of a class is 2 tp / (2 tp + fp + fn), where tp = sum p t, fp = sum p (w - t) and
    fn = sum (1 - p) t over the photos, w the photo's weight; 2 tp + fp + fn is sum p w + sum t. The mean is
    over m of the k classes: one that no photo of the batch has gets F1 0, as with scikit-learn's
    zero_division=0. It adds 1 / m to the loss and nothing to the gradient, so a batch without any label
    loses 1.

    Args:
        scores: float [n, k] logits.
        target: float [n, k], rows summing to the photo's weight.
        classes: int64 [m] those that the mean is over; None for all k.

    Returns:
        A scalar in [0, 1].
    """
    chance = scores.softmax(dim=1)
    true = (chance * target).sum(dim=0)
    called = (chance * target.sum(dim=1, keepdim=True)).sum(dim=0) + target.sum(dim=0)
    f1 = 2 * true / called.clamp(min=_LEAST_COUNT)
    return 1 - (f1 if classes is None else f1[classes]).mean()


def smoothed(target: Tensor, share: float, classes: Tensor | None = None) -> Tensor:
    """Labels of which a share is spread evenly over classes (Szegedy et al. 2016); rows keep their sums.

    A share of .3 makes [.5, 0, 0] to [.4, .05, .05], and over the first two classes to [.425, .075, 0].

    Args:
        target: float [n, k].
        share: in [0, 1).
        classes: int64 [m] those that it is spread over, all of the target's among them; None for all k.

    Returns:
        [n, k] like `target`.
    """
    if classes is None:
        return torch.lerp(target, target.mean(dim=1, keepdim=True), share)
    return target.index_copy(1, classes, smoothed(target[:, classes], share))


def ldam_margins(counts: Tensor, margin: float) -> Tensor:
    """Margins in proportion to n_c^(-1/4), Cao et al. 2019: 16 photos get half the margin of 1.

    Args:
        counts: float [k] training photos of each class, 0 or more.
        margin: of the rarest class that there is.

    Returns:
        float32 [k] on the scale of `margin`; 0 for a class without photos.
    """
    margins = torch.where(counts > 0, counts.double() ** -0.25, 0.0)
    return (margin * margins / margins.max().clamp(min=torch.finfo(margins.dtype).tiny)).float()


def class_weights(settings: Loss, counts: Tensor) -> Tensor:
    """Weights of the classes by the rule `settings.class_weights`.

    Effective numbers, (1 - beta) / (1 - beta^n_c), are those of Cui et al., Class-Balanced Loss Based on
    Effective Number of Samples, CVPR 2019, as in `pipeline.samplers.class_weights`.

    Args:
        settings: the recipe's; of `custom`, k weights.
        counts: float [k] training photos of each class, 0 or more.

    Returns:
        float32 [k], scaled so that their mean over the counted photos is 1: the mass of a batch stays a
        number of photos. Above 0, but for a class without photos, of which a rule that counts knows nothing.
    """
    photos = counts.double()
    match settings.class_weights:
        case "none":
            return torch.ones_like(photos, dtype=torch.float32)
        case "inverse":
            weights = 1 / photos
        case "complement":  # not 0 where one class has all photos
            weights = (1 - photos / photos.sum().clamp(min=1)).clamp(min=1e-6)
        case "effective_number":  # log(0) = -inf is right: beta = 0 makes every weight 1
            weights = (1 - settings.beta) / -torch.expm1(photos * photos.new_tensor(settings.beta).log())
        case "custom":
            weights = photos.new_tensor(settings.custom)
    if settings.class_weights != "custom":
        weights = torch.where(photos > 0, weights, 0.0)
    total = (weights * photos).sum().clamp(min=torch.finfo(photos.dtype).tiny)
    return (weights * (photos.sum() / total)).float()


def _alone(mass: Tensor) -> Tensor:
    return mass


class HeadLoss(nn.Module):
    """The loss of one head: the recipe's terms, weighted and added up, in float32 even under autocast.

    Labels are smoothed first. Every term but F1 then weighs the entries of the target by the weights of their
    classes and is divided by the mass, the sum of the weighted target. With hard labels and the term
    cross_entropy this is torch's mean cross-entropy with weights, over the labelled photos. A mass below 1 is
    divided by 1 instead, so that a sliver of a label does not weigh like a batch.

    A class that no photo has changes nothing for the others: it has no margin, no weight but a custom one, no
    share of smoothed labels and no part in the mean F1.

    Args:
        settings: the recipe's.
        counts: float [k] training photos of each class of the head in the fold, 0 or more.
    """

    weights: Tensor
    margins: Tensor
    classes: Tensor | None

    def __init__(self, settings: Loss, counts: Tensor) -> None:
        super().__init__()
        self.settings = settings
        factors = settings.weights or (1.0,) * len(settings.terms)
        self.terms = tuple(zip(settings.terms, factors, strict=True))
        # Not persistent: they are made anew from recipe and fold when training is resumed.
        self.register_buffer("weights", class_weights(settings, counts), persistent=False)
        margins = settings.scale * ldam_margins(counts, settings.margin)
        self.register_buffer("margins", margins, persistent=False)
        # None where all are there, or none: then nothing is left out.
        there = counts.nonzero()[:, 0]
        some = 0 < len(there) < len(counts)
        self.register_buffer("classes", there if some else None, persistent=False)

    def forward(
        self, scores: Tensor, target: Tensor, *, epoch: int, total: Callable[[Tensor], Tensor] = _alone
    ) -> Tensor:
        """The loss of a batch; the host never waits for the device.

        Args:
            scores: [n, k] logits of any precision; with the term ldam on cosines, these times
                `settings.scale`.
            target: float32 [n, k], rows of 0 or more summing to the photo's weight in [0, 1].
            epoch: from 0; class weights count from `settings.defer_epochs` on.
            total: makes of the mass of this batch the one to divide by, before it is held at 1 or more.
                Processes whose gradients are averaged divide by the mean of their masses, which gives the
                gradient of all their photos in one batch; their F1 stays that of each one's own part.

        Returns:
            A float32 scalar. Without any label it is 0, but for F1 (`soft_f1`), and its gradient is 0.
        """
        scores, target = scores.float(), smoothed(target, self.settings.smoothing, self.classes)
        weighted = target * self.weights if epoch >= self.settings.defer_epochs else target
        mass = total(weighted.sum()).clamp(min=1)
        losses = []
        for term, factor in self.terms:
            f1 = term == "f1"
            each = (
                soft_f1(scores, target, self.classes) if f1 else self._summed(term, scores, weighted) / mass
            )
            losses.append(factor * each)
        return torch.stack(losses).sum()

    def _summed(self, term: LossName, scores: Tensor, target: Tensor) -> Tensor:
        """Sum over the photos of a term that is defined photo by photo."""
        settings = self.settings
        if term == "cross_entropy":
            each = cross_entropy_each(scores, target)
        elif term == "focal":
            each = focal_each(scores, target, settings.gamma)
        elif term == "ldam":
            factor = settings.scale if settings.ldam_on == "logits" else 1.0
            each = ldam_each(factor * scores, target, self.margins)
        else:
            assert term == "symmetric", term
            each = symmetric_each(scores, target, settings.forward, settings.reverse)
        return each.sum()
