"""A number itself, and how far it may be off: a normal distribution, whose mass is summed over the bands."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faces.labels import FloatArray, Photos, Task
from train.data.soft_labels import lowest, uncertain_numbers
from train.network.coding import Coding, Total
from train.recipe.data import SENIOR
from train.recipe.recipe import Recipe

SPREAD_PACE = 10.0
"""The spread in units of its parameter, which alone, at the rates of other weights, would need thousands of
steps to get there."""
LEAST_SPREAD = 0.01
"""Of the training numbers' standard deviation: labels learned by heart do not make the loss infinite."""
_WHOLE_SPREAD = math.log(math.e - 1) / SPREAD_PACE
"""The parameter of a spread of 1: without knowledge a number may be as far off as the numbers are apart."""


class NumberLinear(nn.Module):
    """The number and its spread, in the number's own unit.

    What is learned is standardised by the mean and the standard deviation of the training numbers.

    Args:
        features: width of the input.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.value = nn.Linear(features, 1)
        self.spread = nn.Parameter(torch.tensor([_WHOLE_SPREAD]))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("std", torch.ones(1))

    def forward(self, features: Tensor) -> Tensor:
        """[n, features] -> float32 [n, 2]: number, spread above 0; half precision takes 47.1 for 47."""
        value = self.value(features).float()
        spread = LEAST_SPREAD + functional.softplus(SPREAD_PACE * self.spread.float())
        return torch.cat([self.mean + self.std * value, (self.std * spread).expand_as(value)], 1)


class NormalLoss(nn.Module):
    """The mean of -log of the normal density of each number, log s + ((y - m) / s)^2 / 2 + log(2 pi) / 2; of
    numbers that are only known to be y or more -log Phi((m - y) / s), that probability (Tobin 1958)."""

    def forward(self, outputs: Tensor, target: Tensor, *, epoch: int, total: Total) -> Tensor:
        """[n, 2] outputs; [n, 4] of `Regression.targets` -> scalar."""
        value, end, ended, weight = target.unbind(1)
        number, spread = outputs.float().unbind(1)
        exact = weight - ended
        error = (value / exact.clamp(min=1e-6) - number) / spread
        each = exact * (spread.log() + error.square() / 2 + math.log(2 * math.pi) / 2)
        above = (number - end / ended.clamp(min=1e-6)) / spread
        each = each - ended * torch.special.log_ndtr(torch.where(ended > 0, above, 0))
        loss: Tensor = each.sum() / total(weight.sum()).clamp(min=1)
        return loss


class Regression(Coding):
    """A number with a normal error, whose spread is learned."""

    teachable = False

    def __init__(self, task: Task, recipe: Recipe) -> None:
        super().__init__(task, recipe)
        assert task.number is not None
        if recipe.age.senior_from != SENIOR:
            raise ValueError(
                f'age.senior_from={recipe.age.senior_from}: coding = "regression" learns numbers, which have '
                'no boundary to move; use coding = "classes" or leave it at 60'
            )
        self.part = task.number
        self.edges = torch.tensor(self.part.edges)

    def targets(self, photos: Photos) -> NDArray[np.float32]:
        """[n, 4] the number times its weight, or instead, where it is `clipped_at` or more, that times the
        weight, and the weight; and last the weight of either. 0 where not known or not the task's."""
        settings = self.recipe.age
        numbers = np.asarray(photos[self.part.factor.name], np.float64)
        mine = numbers >= lowest(self.part)  # False for NaN
        weight = np.where(uncertain_numbers(numbers, settings), settings.uncertain_weight, 1.0)
        weight[~mine] = 0
        ended = np.where(numbers >= settings.end, weight, 0)
        end = ended * (settings.end if ended.any() else 0)
        value = np.where(mine, numbers, 0) * (weight - ended)
        return np.stack([value, end, ended, weight], 1).astype(np.float32)

    def say(self, target: FloatArray) -> str:
        """The number, or that it is so much or more, or both; and the weight where it is not 1."""
        value, end, ended, weight = (float(each) for each in target)
        if not weight:
            return "unknown"
        exact = weight - ended
        said = [f"{value / exact:.1f}"] if exact else []
        said += [f"{end / ended:.1f} or more"] if ended else []
        return " and ".join(said) + ("" if weight == 1 else f", weight {weight:.2f}")

    def layer(self, width: int) -> nn.Module:
        """The number, linear in the features, and one spread for all photos."""
        return NumberLinear(width)

    def prepare(self, layer: nn.Module, targets: NDArray[np.float32]) -> None:
        """Standardise by the weighted mean and standard deviation of the training numbers."""
        assert isinstance(layer, NumberLinear)
        value, end, _, weight = targets.astype(np.float64).T
        if not weight.any():
            return
        mean = (value + end).sum() / weight.sum()
        numbers = (value + end) / np.maximum(weight, 1e-6)
        variance = float(weight @ (numbers - mean) ** 2) / weight.sum()
        layer.mean.fill_(mean)
        layer.std.fill_(math.sqrt(variance) or 1.0)

    def loss(self, counts: Tensor) -> nn.Module:
        """Gaussian negative log-likelihood."""
        return NormalLoss()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Normal mass within each band; of those high enough for the task, where not all are."""
        number, spread = outputs.float().unbind(1)
        self.edges = self.edges.to(outputs.device)  # once: a copy a batch would make the host wait
        below = _mass_below(self.edges, number, spread)
        start = torch.zeros_like(below[:, :1])
        if self.part.least is not None:
            start = _mass_below(torch.full_like(self.edges[:1], self.part.least), number, spread)
        masses = torch.cat([start, below, torch.ones_like(start)], 1).diff(dim=1)
        # Of a number far too low for the task the lowest band is all that is left.
        masses = torch.cat([masses[:, :1] + 1e-12, masses[:, 1:]], 1)
        return masses / masses.sum(1, keepdim=True)


def _mass_below(limits: Tensor, number: Tensor, spread: Tensor) -> Tensor:
    """[n, m] of normal distributions about n numbers below m limits."""
    return (1 + torch.erf((limits - number[:, None]) / spread[:, None] / math.sqrt(2))) / 2


CODING: Final = Regression
