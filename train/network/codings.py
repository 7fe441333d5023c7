"""How a head says the classes of its task: its layer, the loss of its outputs, and their probabilities.

A target is a row over the coding's outcomes whose sum is the photo's weight (train/data/targets.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from faces.labels import TASKS, Task
from train.data.targets import YEARS
from train.network.losses import HeadLoss, cross_entropy_each
from train.recipe.recipe import Recipe, age_alone

Total = Callable[[Tensor], Tensor]
"""The mass of a batch's labels that its loss is divided by, agreed on by all processes."""


class CosineLinear(nn.Module):
    """scale * cosine of the angle between features and each class's direction, as LDAM wants its logits.

    Args:
        features: width of the input.
        classes: number of directions.
        scale: by which cosines are multiplied.
    """

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        nn.init.xavier_uniform_(self.weight)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """[n, features] -> [n, classes] in [-scale, scale]."""
        return self.scale * functional.linear(
            functional.normalize(features), functional.normalize(self.weight)
        )


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


class Coding(Protocol):
    """What a head's outputs mean."""

    def layer(self, width: int) -> nn.Module:
        """The last layer: features [n, width] -> outputs [n, outputs]."""

    def loss(self, counts: Tensor) -> nn.Module:
        """(outputs, target, epoch=, total=) -> scalar; `counts` [outcomes] of the fold's training photos."""

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Outputs [n, outputs] -> [n, classes of the task], float32, rows summing to 1."""


class Classes:
    """A softmax over the classes, with the losses of the recipe."""

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.task, self.settings = task, recipe.loss

    def layer(self, width: int) -> nn.Module:
        """Linear, or cosines where LDAM sets margins between them."""
        classes = len(self.task.classes)
        if "ldam" in self.settings.terms:
            return CosineLinear(width, classes, self.settings.scale)
        return nn.Linear(width, classes)

    def loss(self, counts: Tensor) -> nn.Module:
        """The recipe's terms."""
        return HeadLoss(self.settings, counts)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Softmax."""
        return outputs.float().softmax(1)


class Ordinal:
    """Thresholds between neighbouring classes on one scale (CORAL, Cao et al. 2020)."""

    def __init__(self, task: Task) -> None:
        self.task = task

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


class Years:
    """A softmax over years of age (label distribution learning, Gao et al. 2017), summed to the classes."""

    def __init__(self, task: Task) -> None:
        self.task = task
        lower = torch.arange(YEARS, dtype=torch.float32)
        band = torch.bucketize(lower, torch.tensor(task.edges), right=True)
        self.bands = functional.one_hot(band, len(task.classes)).float()
        self.bands[lower < task.youngest] = 0

    def layer(self, width: int) -> nn.Module:
        """Linear, an output a year."""
        return nn.Linear(width, YEARS)

    def loss(self, counts: Tensor) -> nn.Module:
        """Cross-entropy with the label's distribution."""
        return YearsLoss()

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Sums over the years of each class, of those old enough for the task."""
        self.bands = self.bands.to(outputs.device)  # once: a copy a batch would make the host wait
        summed = outputs.float().softmax(1) @ self.bands
        return summed / summed.sum(1, keepdim=True).clamp(min=1e-12)


class OrdinalLoss(nn.Module):
    """-sum_k t_k log s(z_k) + (w - t_k) log s(-z_k), where t_k is the target's mass above class k."""

    def forward(self, outputs: Tensor, target: Tensor, *, epoch: int, total: Total) -> Tensor:
        """[n, k - 1] outputs, [n, k] target -> scalar, the mean over the target's mass."""
        outputs, mass = outputs.float(), target.sum(1, keepdim=True)
        above = mass - target.cumsum(1)[:, :-1]
        each = above * functional.softplus(-outputs) + (mass - above) * functional.softplus(outputs)
        return each.sum() / total(mass.sum()).clamp(min=1)


class YearsLoss(nn.Module):
    """Cross-entropy with a distribution over years."""

    def forward(self, outputs: Tensor, target: Tensor, *, epoch: int, total: Total) -> Tensor:
        """[n, YEARS] outputs and target -> scalar, the mean over the target's mass."""
        return cross_entropy_each(outputs.float(), target).sum() / total(target.sum()).clamp(min=1)


def coding_of(task: str, recipe: Recipe) -> Coding:
    """How a recipe's head of this task says its classes: `age.coding` is of heads that tell age alone."""
    if recipe.age.coding == "classes" or not age_alone(task):
        return Classes(TASKS[task], recipe)
    return Ordinal(TASKS[task]) if recipe.age.coding == "ordinal" else Years(TASKS[task])


def codings_of(recipe: Recipe) -> dict[str, Coding]:
    """The coding of each of a recipe's tasks, in order."""
    return {task: coding_of(task, recipe) for task in recipe.tasks}
