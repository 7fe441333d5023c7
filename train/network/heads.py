"""What stands between a backbone's feature maps and the outputs of the heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import torch
from timm.layers import SelectAdaptivePool2d
from torch import Tensor, nn
from torch.nn import functional

from train.network.coding import Coding
from train.recipe.network import Head

_LEAST_STD: Final = 1e-6
"""Of the features' size: below it they differ by rounding alone."""


class GeneralisedMean(nn.Module):
    """Pools maps by the mean of their p-th powers, p learned from 3 on (GeM, Radenovic et al. 2019).

    Args:
        replaced: the pooling whose place it takes.
    """

    def __init__(self, replaced: SelectAdaptivePool2d) -> None:
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(3.0))
        maps = replaced(torch.zeros(1, 2, 3, 5))  # timm keeps layout and flattening in various places
        self.channels_last, self.flat = 5 in maps.shape, maps.ndim == 2

    def forward(self, maps: Tensor) -> Tensor:
        """[n, c, h, w] (or [n, h, w, c]) -> [n, c], or [n, c, 1, 1] where the backbone goes on with maps."""
        area = (1, 2) if self.channels_last else (2, 3)
        powers = maps.float().clamp(min=1e-6).pow(self.exponent)
        pooled = powers.mean(area, keepdim=not self.flat).pow(1 / self.exponent)
        return pooled.to(maps.dtype)


def pool_generalised(backbone: nn.Module, name: str) -> None:
    """Put GeM in the place of the backbone's average pooling.

    Raises:
        ValueError: the backbone does not pool feature maps.
    """
    places = [path for path, module in backbone.named_modules() if isinstance(module, SelectAdaptivePool2d)]
    if not places:
        raise ValueError(
            f"head.pool='gem': backbone {name!r} does not pool feature maps as a whole; "
            'use pool = "default", or a convolutional backbone'
        )
    parent, _, attribute = places[-1].rpartition(".")
    setattr(backbone.get_submodule(parent), attribute, GeneralisedMean(backbone.get_submodule(places[-1])))


class Heads(nn.Module):
    """All heads of a network on common features.

    Args:
        features: width of the backbone's features.
        settings: of the recipe.
        codings: of each task, which make its layer.
        regression: name of the output that guesses a number, too; "" for none.
        scaled: whether features are scaled first, by what `scale_by` was given.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        features: int,
        settings: Head,
        codings: Mapping[str, Coding],
        *,
        regression: str = "",
        scaled: bool = False,
    ) -> None:
        super().__init__()
        self.scaled = scaled
        if scaled:
            self.register_buffer("mean", torch.zeros(features))
            self.register_buffer("std", torch.ones(features))
        self.dropout, self.samples = settings.dropout, settings.samples
        width = settings.hidden or features
        hidden = [nn.Linear(features, width), nn.ReLU()] if settings.hidden else []
        self.hidden = nn.Sequential(*hidden)
        layers = {task: coding.layer(width) for task, coding in codings.items()}
        if regression:
            layers[regression] = nn.Linear(width, 1)
        self.keys = {name: module_key(name) for name in layers}
        self.layers = nn.ModuleDict({self.keys[name]: layer for name, layer in layers.items()})
        if settings.init == "xavier_last":
            self.layers.apply(_xavier)
        elif settings.init != "default":
            self.apply(_INITIALISERS[settings.init])

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Features [n, c] -> outputs [n, outputs] by name. Of features [n, tokens, c], as encoders of timm's
        that keep a row for each patch make them, the means over the tokens are taken.

        In training with multi-sample dropout [samples * n, outputs]: the whole batch once for each mask.
        """
        if features.ndim == 3:
            features = features.mean(1)
        if self.scaled:
            features = (features - self.mean) / self.std
        features = self.hidden(features)
        if self.training and self.samples > 1:
            features = features.repeat(self.samples, 1)
        features = functional.dropout(features, self.dropout, self.training)
        return {name: self.layers[key](features) for name, key in self.keys.items()}

    def scale_by(self, features: Tensor) -> None:
        """Scale each of the features [n, c] of training photos to mean 0 and standard deviation 1; those that
        never differ become 0."""
        std, mean = torch.std_mean(features.double(), 0, correction=0)
        self.mean.copy_(mean)
        self.std.copy_(torch.where(std > _LEAST_STD * mean.abs().clamp(min=1), std, 1.0))

    def layer(self, name: str) -> nn.Module:
        """The last layer of the output of this name."""
        return self.layers[self.keys[name]]


def module_key(name: str) -> str:
    """A name as torch takes it for a module: the same, or with % and two digits for what it does not take.

    It takes no dots, nor names of its own, such as `items` and `type`.
    """
    key = name.replace("%", "%25").replace(".", "%2E")
    return f"%{ord(key[0]):02X}{key[1:]}" if hasattr(nn.ModuleDict(), key) else key


def _xavier(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _kaiming(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


_INITIALISERS = {"xavier": _xavier, "kaiming": _kaiming}
