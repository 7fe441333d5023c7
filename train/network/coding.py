"""What a kind of head consists of: the targets it is taught, its layer, its loss, and its probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from faces.labels import FloatArray, Photos, Task
from train.recipe.recipe import Recipe

Total = Callable[[Tensor], Tensor]
"""The mass of a batch's labels that its loss is divided by, agreed on by all processes."""


class Coding(ABC):
    """How a head's outputs tell the classes of its task.

    A target is a row over the coding's outcomes. Rows are mixed and weighed, so all that the loss makes of
    them must follow from weighted means of rows; a photo that is not labelled is a row of zeros.

    Args:
        task: the head's.
        recipe: that it is trained by.

    Raises:
        ValueError: the recipe has settings that it cannot follow.
    """

    teachable = True
    """Whether an outcome is a class of the task, so that a teacher's probabilities are targets."""

    def __init__(self, task: Task, recipe: Recipe) -> None:
        self.task, self.recipe = task, recipe

    @abstractmethod
    def targets(self, photos: Photos) -> NDArray[np.float32]:
        """[n, outcomes] what n photos' labels teach."""

    @abstractmethod
    def layer(self, width: int) -> nn.Module:
        """The last layer: features [n, width] -> outputs [n, outputs]."""

    def prepare(self, layer: nn.Module, targets: NDArray[np.float32]) -> None:
        """Set what the layer takes from the fold's training photos, whose targets [n, outcomes] are given."""
        return

    @property
    def outcomes(self) -> Sequence[object]:
        """What each column of a target stands for."""
        return self.task.classes

    def say(self, target: FloatArray) -> str:
        """A target [outcomes] in words: its three largest shares, `0.50 wear, 0.50 normal`."""
        largest = [k for k in np.argsort(-target, kind="stable")[:3] if target[k] >= 0.005]
        return ", ".join(f"{target[k]:.2f} {self.outcomes[k]}" for k in largest) or "unknown"

    @abstractmethod
    def loss(self, counts: Tensor) -> nn.Module:
        """(outputs, target, epoch=, total=) -> scalar; `counts` [outcomes] of the fold's training photos."""

    @abstractmethod
    def probabilities(self, outputs: Tensor) -> Tensor:
        """Outputs [n, outputs] -> [n, classes of the task], float32, rows summing to 1."""
