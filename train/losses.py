"""What training minimises."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from faces.labels import UNKNOWN


def heads_loss(logits: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Tensor:
    """Sum over heads of the mean cross-entropy of the photos labelled for the head.

    Args:
        logits: [n, classes] by task.
        labels: [n] int64 classes by task, -1 where the photo is not labelled for it.

    Returns:
        A scalar; a head without any labelled photo in the batch adds 0.
    """
    total = torch.zeros((), device=next(iter(logits.values())).device)
    for task, scores in logits.items():
        target = labels[task]
        summed = cross_entropy(scores, target, ignore_index=UNKNOWN, reduction="sum")
        total = total + summed / (target != UNKNOWN).sum().clamp(min=1)
    return total
