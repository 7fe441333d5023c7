"""What one batch's training minimises: the losses of all heads together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from train.data.targets import AGE_OUTPUT
from train.network.codings import Total, codings_of
from train.recipe.recipe import Recipe


class Objective(nn.Module):
    """The weighted sum of the heads' losses, and of the age regression's.

    Args:
        recipe: its tasks, `loss` and `age`.
        counts: [outcomes] of the fold's training photos by task, all above 0.
    """

    def __init__(self, recipe: Recipe, counts: Mapping[str, Tensor]) -> None:
        super().__init__()
        codings = codings_of(recipe)
        self.heads = nn.ModuleDict({task: coding.loss(counts[task]) for task, coding in codings.items()})
        self.weights = dict(zip(recipe.tasks, recipe.loss.task_weights or [1.0] * len(codings), strict=True))
        self.regression = recipe.age.regression

    def forward(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], *, epoch: int, total: Total
    ) -> Tensor:
        """Scalar loss of a batch.

        Args:
            outputs: of the network.
            targets: float32 [n, outcomes] by the outputs' names (train/data/targets.py).
            epoch: from 0, for losses that change with it.
            total: agrees on the mass of labels that a batch's loss is divided by.
        """
        parts = [
            self.weights[task] * head(outputs[task], targets[task], epoch=epoch, total=total)
            for task, head in self.heads.items()
        ]
        if self.regression:
            parts.append(self.regression * squared_error(outputs[AGE_OUTPUT], targets[AGE_OUTPUT], total))
        return torch.stack(parts).sum()


def squared_error(guess: Tensor, target: Tensor, total: Total) -> Tensor:
    """Mean squared error of scaled ages.

    Args:
        guess: [n, 1].
        target: [n, 2] value times weight, and weight in [0, 1].
        total: as in `Objective`.
    """
    value, weight = target.unbind(1)
    error = guess.float()[:, 0] - value / weight.clamp(min=1e-6)
    return (weight * error.square()).sum() / total(weight.sum()).clamp(min=1)
