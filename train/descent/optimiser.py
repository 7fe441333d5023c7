"""Optimisers from their settings: which parameters decay, and at which rate each layer learns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from timm.optim import create_optimizer_v2, param_groups_layer_decay, param_groups_weight_decay
from torch import nn
from torch.optim import LBFGS, Optimizer

from train.recipe.network import Optimiser

_TIMM_NAMES = {"adam": "adam", "adamw": "adamw", "sgd": "momentum", "sgd_nesterov": "sgd"}
"""What timm calls them: its `sgd` is Nesterov's."""
MOST_MOVES: Final = 500
"""Moves of lbfgs; logistic regression on a thousand standardised features takes some fifty."""
LEAST_SLOPE: Final = 1e-5
"""Of any weight, at which lbfgs is done."""
LEAST_CHANGE: Final = 1e-8
"""Of the objective, at which it is done, too."""


def make_optimiser(network: nn.Module, settings: Optimiser) -> Optimizer:
    """timm's optimiser over all parameters of the network that are trained at all, or torch's L-BFGS (Liu and
    Nocedal 1989, steps by the strong Wolfe conditions) over those of the heads.

    Parameters of one dimension and those that the backbone's `no_weight_decay()` names do not decay.

    With layer_decay d < 1 the layers are those of the backbone's `group_matcher`, and the heads are one layer
    more, after the last, as in BEiT (Bao et al. 2021): n layers from the last learn at lr * d^n, the heads at
    lr. Parameters of the backbone that its matcher does not place, such as the exponent of GeM, count with
    the heads, as timm has it. The group that learns fastest comes first.

    Args:
        network: its submodule `backbone` is a timm model without classifier. Parameters frozen now are left
            out for good; those to be frozen for some epochs are frozen afterwards.
        settings: the optimiser.

    Raises:
        ValueError: layer_decay < 1 and the backbone does not tell its layers.
    """
    if settings.name == "lbfgs":
        heads = network.get_submodule("heads").parameters()
        return LBFGS(
            heads,
            lr=1,
            max_iter=MOST_MOVES,
            tolerance_grad=LEAST_SLOPE,
            tolerance_change=LEAST_CHANGE,
            line_search_fn="strong_wolfe",
        )
    backbone = network.get_submodule("backbone")
    if settings.layer_decay < 1 and not hasattr(backbone, "group_matcher"):
        raise ValueError(
            f"optimiser.layer_decay={settings.layer_decay}: timm's {type(backbone).__name__} has no "
            "group_matcher that tells its layers; use layer_decay = 1.0 or another backbone"
        )
    named = _Named(network)
    exempt = backbone.no_weight_decay() if hasattr(backbone, "no_weight_decay") else ()  # type: ignore[operator]
    options: dict[str, Any] = {"weight_decay": settings.weight_decay, "no_weight_decay_list": exempt}
    if settings.layer_decay < 1:
        groups = param_groups_layer_decay(named, layer_decay=settings.layer_decay, **options)
    else:
        groups = param_groups_weight_decay(named, **options)
    for group in groups:
        group["lr"] = settings.lr * group.pop("lr_scale", 1.0)
    groups.sort(key=lambda group: -group["lr"])
    optimiser: Optimizer = create_optimizer_v2(
        groups, opt=_TIMM_NAMES[settings.name], lr=settings.lr, momentum=settings.momentum
    )
    return optimiser


class _Named:
    """The network as timm's grouping needs it: the backbone's parameters under the names it knows them by."""

    def __init__(self, network: nn.Module) -> None:
        self._network = network

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for name, parameter in self._network.named_parameters():
            yield name.removeprefix("backbone."), parameter

    def group_matcher(self, *, coarse: bool) -> Any:
        return self._network.get_submodule("backbone").group_matcher(coarse=coarse)  # type: ignore[operator]
