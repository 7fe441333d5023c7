"""What training minimises."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from faces.labels import UNKNOWN


def heads_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Sum over heads of the mean cross-entropy of the photos labelled for the head.

    Soft labels weigh each photo by the sum of its row, so a photo half of which is labelled counts half:
    the loss of a head is -sum(labels * log softmax(logits)) / sum(labels). A batch with less than one whole
    photo labelled for a head is divided by 1 instead, so that a sliver does not weigh like a batch.

    Args:
        logits: [n, classes] by task.
        labels: by task, either [n] int64 classes, -1 where the photo is not labelled for it, or float
            [n, classes] soft labels, each row summing to the known part of the photo (`mixing.soft_labels`).

    Returns:
        A scalar; a head without any labelled photo in the batch adds 0.
    """
    total = torch.zeros((), device=next(iter(logits.values())).device)
    for task, scores in logits.items():
        target = labels[task]
        summed = cross_entropy(scores, target, ignore_index=UNKNOWN, reduction="sum")
        known = target.sum() if target.is_floating_point() else (target != UNKNOWN).sum()
        total = total + summed / known.clamp(min=1)
    return total
