"""Backbones that cannot train on one photo alone: batch normalisation needs two values of a channel."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from train.network.backbone import make_backbone

_MOST = 8
"""Times the input's size up to which a larger one is looked for."""


@cache
def lone_norm(name: str, size: int) -> str:
    """The first batch normalisation that sees one value a channel of a photo; "" where there is none.

    It is found by the shapes of a forward on a device that computes nothing.

    Args:
        name: of a timm model.
        size: height and width of its input, pixels.

    Raises:
        ValueError: as `make_backbone`.
    """
    with torch.device("meta"):
        network = make_backbone(name, size).network.eval()
    found: list[str] = []
    for path, module in network.named_modules():
        if isinstance(module, _BatchNorm):

            def look(layer: nn.Module, inputs: tuple[Tensor, ...], path: str = path) -> None:
                assert isinstance(layer, _BatchNorm)
                if inputs[0].numel() == layer.num_features:
                    found.append(path)

            module.register_forward_pre_hook(look)
    with torch.inference_mode():
        network(torch.zeros(1, 3, size, size, device="meta"))
    return found[0] if found else ""


def check_lone(name: str, size: int, batch_size: int, processes: int) -> None:
    """Refuse batches of one photo a process that a backbone cannot train on.

    Args:
        name: of a timm model.
        size: height and width of its input, pixels.
        batch_size: of all processes together.
        processes: that train together.

    Raises:
        ValueError: with the settings that train.
    """
    if batch_size > processes or not (layer := lone_norm(name, size)):
        return
    photo = f"one photo in each of {processes} processes" if processes > 1 else "one photo"
    larger = next((each for n in range(2, _MOST + 1) if _trains(name, each := n * size)), 0)
    raise ValueError(
        f"batch_size={batch_size}: at image_size={size} layer {layer!r} of backbone {name!r} normalises maps "
        f"of one pixel over the batch, and cannot be trained on {photo}: use batch_size = {2 * processes}"
        f"{f', or image_size = {larger}' if larger else ''}"
    )


def _trains(name: str, size: int) -> bool:
    """Whether the backbone takes images of this size, and trains on one alone."""
    try:
        return not lone_norm(name, size)
    except ValueError:
        return False
