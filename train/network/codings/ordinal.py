"""The bands of a number by ordered thresholds on one scale (CORAL, Cao et al. 2020)."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faces.labels import Photos
from train.data.soft_labels import class_rows
from train.network.coding import Coding, Total

THRESHOLD_PACE = 10.0
"""Threshold logits in units of their parameters. A head with one scale says how rare a class is by its
thresholds alone, which at the rates of other weights would need thousands of steps to get there."""


class OrdinalLinear(nn.Module):
    """One scale, and an ordered threshold between any two neighbouring classes (CORAL, Cao et al. 2020).

    Output k is the logit of "above class k". Their thresholds are kept in order by being a top one and gaps
    above 0 (softplus), so that the probabilities never contradict each other: CORAL itself proves that only
    of its optimum.

    Args:
        features: width of the input.
        classes: at least 2.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.scale = nn.Linear(features, 1, bias=False)
        self.top = nn.Parameter(torch.tensor((classes - 2) / 2 / THRESHOLD_PACE))
        self.gaps = nn.Parameter(torch.full((classes - 2,), 0.5413 / THRESHOLD_PACE))  # softplus gives 1

    def forward(self, features: Tensor) -> Tensor:
        """[n, features] -> [n, classes - 1], falling along each row."""
        top, gaps = THRESHOLD_PACE * self.top, functional.softplus(THRESHOLD_PACE * self.gaps)
        steps = torch.cat([top[None], top - gaps.cumsum(0)])
        scaled: Tensor = self.scale(features)
        return scaled + steps


class OrdinalLoss(nn.Module):
    """-sum_k t_k log s(z_k) + (w - t_k) log s(-z_k), where t_k is the target's mass above class k."""

    def forward(self, outputs: Tensor, target: Tensor, *, epoch: int, total: Total) -> Tensor:
        """[n, k - 1] outputs, [n, k] target -> scalar, the mean over the target's mass."""
        outputs, mass = outputs.float(), target.sum(1, keepdim=True)
        above = mass - target.cumsum(1)[:, :-1]
        each = above * functional.softplus(-outputs) + (mass - above) * functional.softplus(outputs)
        return each.sum() / total(mass.sum()).clamp(min=1)


class Ordinal(Coding):
    """Thresholds between neighbouring classes on one scale."""

    def targets(self, photos: Photos) -> NDArray[np.float32]:
        """Each photo's class, or how its label is spread over neighbouring ones."""
        return class_rows(self.task, photos, self.recipe.age)

    def layer(self, width: int) -> nn.Module:
        """One scale with ordered thresholds."""
        return OrdinalLinear(width, len(self.task.classes))

    def loss(self, counts: Tensor) -> nn.Module:
        """Binary cross-entropy of each threshold, added up."""
        return OrdinalLoss()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Differences of neighbouring P(above class k)."""
        above = outputs.float().sigmoid()
        edge = torch.ones_like(above[:, :1])
        return -torch.diff(above, dim=1, prepend=edge, append=0 * edge)


CODING: Final = Ordinal
