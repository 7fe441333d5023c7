"""The first layers of a backbone, frozen: what all pictures have in common stays as it was learned."""

from __future__ import annotations

import torch
from timm.models import group_parameters
from torch import nn

from train.network.backbone import make_backbone


def freeze_first(backbone: nn.Module, groups: int) -> tuple[str, ...]:
    """Take the gradient from the first groups of layers that the backbone's `group_matcher` tells.

    Args:
        backbone: a timm model without classifier.
        groups: of those that layer_decay counts, too; 0 freezes nothing.

    Returns:
        Names of the modules all of whose parameters are frozen now.

    Raises:
        ValueError: the backbone does not tell its layers, or has no more than so many groups of them.
    """
    if not groups:
        return ()
    name = type(backbone).__name__
    if not hasattr(backbone, "group_matcher"):
        raise ValueError(
            f"optimiser.frozen_layers={groups}: timm's {name} has no group_matcher that tells its layers; "
            "use frozen_layers = 0 or another backbone"
        )
    matcher = backbone.group_matcher(coarse=False)  # type: ignore[operator]
    layers = group_parameters(backbone, matcher, reverse=True)
    count = 1 + max(layers.values())
    if groups >= count:
        raise ValueError(
            f"optimiser.frozen_layers={groups}: this {name} has {count} groups of layers; freeze at most "
            f"{count - 1}, or all of them by frozen_epochs = epochs"
        )
    for key, parameter in backbone.named_parameters():
        parameter.requires_grad_(layers.get(key, count) >= groups)
    return tuple(key for key, module in backbone.named_modules() if _is_frozen(module))


def check_first(name: str, size: int, groups: int) -> None:
    """Refuse so many groups before anything is begun, on a device that computes nothing.

    Args:
        name: of a timm model.
        size: height and width of its input, pixels.
        groups: as of `freeze_first`.

    Raises:
        ValueError: as `freeze_first` and `make_backbone`.
    """
    if groups:
        with torch.device("meta"):
            freeze_first(make_backbone(name, size).network, groups)


def _is_frozen(module: nn.Module) -> bool:
    gradients = [parameter.requires_grad for parameter in module.parameters()]
    return bool(gradients) and not any(gradients)
