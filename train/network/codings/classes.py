"""A softmax over the classes of any task, with the losses of the recipe."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faces.labels import Photos
from train.data.soft_labels import class_rows
from train.network.coding import Coding
from train.network.losses import HeadLoss


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


class Classes(Coding):
    """A softmax over the classes, with the losses of the recipe."""

    def targets(self, photos: Photos) -> NDArray[np.float32]:
        """Each photo's class, or how its label is spread over neighbouring ones."""
        return class_rows(self.task, photos, self.recipe.age)

    def layer(self, width: int) -> nn.Module:
        """Linear, or cosines where LDAM sets margins between them."""
        classes, loss = len(self.task.classes), self.recipe.loss
        if "ldam" in loss.terms and loss.ldam_on == "cosines":
            return CosineLinear(width, classes, loss.scale)
        return nn.Linear(width, classes)

    def loss(self, counts: Tensor) -> nn.Module:
        """The recipe's terms."""
        return HeadLoss(self.recipe.loss, counts)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """Softmax."""
        return outputs.float().softmax(1)


CODING: Final = Classes
