"""A distribution over a number's units, such as years of age (label distribution learning, Gao et al. 2017),
summed to its bands."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faces.labels import Number, Photos, Task
from train.data.soft_labels import lowest, share_below, uncertain_numbers
from train.network.coding import Coding, Total
from train.network.losses import cross_entropy_each
from train.recipe.data import SENIOR
from train.recipe.recipe import Recipe

LAST_YEAR = 100
"""Beginning of the last outcome, all beyond it included, of a number whose range nobody set."""
MOST_OUTCOMES = 1000


class YearsLoss(nn.Module):
    """Cross-entropy with a distribution over years."""

    def forward(self, outputs: Tensor, target: Tensor, *, epoch: int, total: Total) -> Tensor:
        """[n, outcomes] outputs and target -> scalar, the mean over the target's mass."""
        return cross_entropy_each(outputs.float(), target).sum() / total(target.sum()).clamp(min=1)


class Years(Coding):
    """A softmax over the units of a number's range, summed to the classes.

    Outcome k is one unit from `starts[k]` on; the last is all from there on, the first all up to its end.
    """

    teachable = False

    def __init__(self, task: Task, recipe: Recipe) -> None:
        super().__init__(task, recipe)
        assert task.number is not None
        assert isinstance(task.number.factor, Number)
        if not recipe.age.sigma:
            raise ValueError('age.sigma=0.0: coding = "years" spreads labels over units; 3.0 is usual')
        if recipe.age.senior_from != SENIOR:
            raise ValueError(
                f'age.senior_from={recipe.age.senior_from}: coding = "years" learns years, which have no '
                'boundary to move; use coding = "classes" or leave it at 60'
            )
        self.part, self.starts = task.number, _starts(task.number.factor)
        lower = torch.from_numpy(self.starts)
        # The share of each outcome that lies below each edge.
        cuts = [(edge - lower).clamp(0, 1) for edge in self.part.edges]
        least = torch.zeros_like(lower) if self.part.least is None else (self.part.least - lower).clamp(0, 1)
        self.bands = torch.stack([*cuts, torch.ones_like(lower)], 1).diff(dim=1, prepend=least[:, None])

    def targets(self, photos: Photos) -> NDArray[np.float32]:
        """[n, outcomes] each label spread about its own unit; 0 where not known or not the task's."""
        numbers = np.asarray(photos[self.part.factor.name], np.float64)
        mine = numbers >= lowest(self.part)  # False for NaN
        rows = np.zeros((len(numbers), len(self.starts)))
        below = share_below(self.starts[1:].astype(np.float64), numbers[mine], self.recipe.age)
        rows[mine] = np.diff(below, axis=1, prepend=0.0, append=1.0)
        rows[uncertain_numbers(numbers, self.recipe.age)] *= self.recipe.age.uncertain_weight
        return rows.astype(np.float32)

    @property
    def outcomes(self) -> range:
        """The units."""
        return range(int(self.starts[0]), int(self.starts[-1]) + 1)

    def layer(self, width: int) -> nn.Module:
        """Linear, an output a unit."""
        return nn.Linear(width, len(self.starts))

    def loss(self, counts: Tensor) -> nn.Module:
        """Cross-entropy with the label's distribution."""
        return YearsLoss()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Sums over the units of each class, of those high enough for the task."""
        self.bands = self.bands.to(outputs.device)  # once: a copy a batch would make the host wait
        summed = outputs.float().softmax(1) @ self.bands
        return summed / summed.sum(1, keepdim=True).clamp(min=1e-12)


def _starts(number: Number) -> NDArray[np.float32]:
    """Where each outcome of a number begins."""
    unset = (number.least, number.most) == (Number.least, Number.most)
    first, last = math.floor(number.least), LAST_YEAR if unset else math.floor(number.most)
    if last - first >= MOST_OUTCOMES:
        raise ValueError(
            f'age.coding = "years": {number.name} has a range of {number.least:g} to {number.most:g}, '
            f"{last - first + 1:,} units, of which at most {MOST_OUTCOMES:,} can be told apart: count it in "
            'a larger unit, narrow its range in labels.toml, or use coding = "regression"'
        )
    return np.arange(first, last + 1, dtype=np.float32)


CODING: Final = Years
