"""What one batch's training minimises: the losses of all heads together."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faces.labels import LabelSet
from train.network.coding import Total
from train.network.heads import module_key
from train.network.kinds import codings_of
from train.network.targets import number_output
from train.recipe.recipe import Recipe

LEAST_MASS = 0.01
"""Photos' worth of labels below which a class counts as one that no training photo has."""


class Objective(nn.Module):
    """The weighted sum of the heads' losses, and of the number regression's.

    Args:
        recipe: its tasks, `loss` and `age`.
        labels: that the tasks are of.
        counts: [outcomes] of the fold's training photos by task, 0 where a class has none.
        variance: of the regressed number among the training photos, in its unit squared: the output tells
            standard deviations, so that it learns at the other outputs' rate, and its loss is in the unit.
    """

    def __init__(
        self, recipe: Recipe, labels: LabelSet, counts: Mapping[str, Tensor], variance: float = 1.0
    ) -> None:
        super().__init__()
        codings = codings_of(recipe, labels)
        self.heads = nn.ModuleDict(
            {module_key(task): coding.loss(counts[task]) for task, coding in codings.items()}
        )
        self.weights = dict(zip(recipe.tasks, recipe.loss.task_weights or [1.0] * len(codings), strict=True))
        self.regression, self.number = recipe.age.regression * variance, number_output(recipe.tasks)

    def forward(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], *, epoch: int, total: Total
    ) -> Tensor:
        """Scalar loss of a batch.

        Args:
            outputs: of the network.
            targets: float32 [n, outcomes] by the outputs' names (train/network/targets.py).
            epoch: from 0, for losses that change with it.
            total: agrees on the mass of labels that a batch's loss is divided by.
        """
        parts = [
            weight * self.heads[module_key(task)](outputs[task], targets[task], epoch=epoch, total=total)
            for task, weight in self.weights.items()
        ]
        if self.regression:
            parts.append(self.regression * squared_error(outputs[self.number], targets[self.number], total))
        return torch.stack(parts).sum()


def objective_of(
    recipe: Recipe, labels: LabelSet, taught: Mapping[str, NDArray[np.float32]], variance: float = 1.0
) -> Objective:
    """The losses, with classes counted among the photos that train.

    Args:
        recipe: as of `Objective`.
        labels: as of `Objective`.
        taught: float32 [photos that train, outcomes] by the outputs' names.
        variance: as of `Objective`.
    """
    mass = {name: torch.from_numpy(values).sum(0) for name, values in taught.items()}
    # The tails of spread numbers reach classes that the whole cache lacks: those are not there.
    counts = {name: torch.where(each < LEAST_MASS, 0, each.clamp(min=1)) for name, each in mass.items()}
    return Objective(recipe, labels, counts, variance)


def squared_error(guess: Tensor, target: Tensor, total: Total) -> Tensor:
    """Mean squared error of scaled numbers.

    Args:
        guess: [n, 1].
        target: [n, 2] value times weight, and weight in [0, 1].
        total: as in `Objective`.
    """
    value, weight = target.unbind(1)
    error = guess.float()[:, 0] - value / weight.clamp(min=1e-6)
    return (weight * error.square()).sum() / total(weight.sum()).clamp(min=1)
