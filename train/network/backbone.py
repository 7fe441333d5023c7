"""timm's backbones at an input size: built where timm builds them, else the sizes that it does build."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import timm
import torch
from timm.layers import PatchEmbed
from torch import Tensor, nn
from torch.nn import functional

from faces.command import nearest
from faces.failures import is_exhaustion
from train.network import registered as registered  # with timm

_REFUSALS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError, ZeroDivisionError)
"""What timm's models raise, on being built or called, at sizes that they cannot do."""
_STEPS = (224, 128, 64, 32, 16, 14, 8)
"""Of whose multiples most input sizes are; the halves and quarters of a model's own size are tried, too."""


@dataclass(frozen=True)
class Backbone:
    """A timm model without its classifier, in training mode, that takes images of one size."""

    network: nn.Module
    width: int
    """Of its features."""
    options: dict[str, Any]
    """What timm was asked for beside the name."""


def make_backbone(name: str, size: int, *, hub: bool = False) -> Backbone:
    """The backbone, having seen an image of the size: some fail only then.

    Args:
        name: of a timm model.
        size: height and width of its input, pixels.
        hub: with the weights of timm's hub.

    Raises:
        ValueError: an unknown name, hub weights that cannot be had, a size that timm does not run it at, or a
            model that makes no features for a classifier.
    """
    if not timm.is_model(name):
        raise ValueError(f"backbone {name!r} is unknown: {nearest(name, timm.list_models())}")
    try:
        options = _options(name, size)
    except RuntimeError as error:  # of timm, on a tag behind the dot
        raise ValueError(
            f"backbone {name!r} is unknown ({error}): leave out what stands behind the dot"
        ) from error
    network = _from_hub(name, options) if hub else None
    try:
        if network is None:
            network = timm.create_model(name, **options)
        features = _look(network, size)
    except _REFUSALS as error:
        if is_exhaustion(error):  # which says nothing of the size
            raise
        raise ValueError(_cure(name, size, error)) from error
    if features.ndim not in (2, 3):
        raise ValueError(
            f"backbone {name!r} makes {list(features.shape)[1:]} of an image and no row of features, "
            "on which heads could stand: choose another one"
        )
    for layer in network.modules():
        if _loses_memory(layer):
            layer.__class__ = Thinning  # with the same weights, under the same names
    return Backbone(network.train(), features.shape[-1], options)


class Thinning(nn.Conv2d):
    """A strided convolution of single pixels that, where it is trained on a CPU, first drops what it skips.

    torch 2.15.0 writes beside its memory in the weights' gradient of such a layer if it has 2 to 7 channels
    that lie channels last (timm's fastvit and mobileone begin so). Elsewhere it is the layer that it was.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Float [n, channels, h, w] -> the outputs of `nn.Conv2d`."""
        if input.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(input)
        rows, columns = self.stride
        return functional.conv2d(input[:, :, ::rows, ::columns], self.weight, self.bias)


def _loses_memory(layer: nn.Module) -> bool:
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (1, 1)
        and layer.stride != (1, 1)
        and layer.padding == (0, 0)
        and layer.groups == 1
        and 2 <= layer.in_channels <= 7
    )


def unseen_note(name: str, network: nn.Module, size: int) -> str:
    """A line where patches do not divide the input, whose margin timm leaves out without a word; else ""."""
    margin = _unseen(network, size)
    if not margin:
        return ""
    return (
        f"image_size={size}: the patches of backbone {name!r} leave {margin} pixels out at the right and the "
        f"bottom; it sees all of {_either(sizes_that_fit(name, size))}"
    )


def _unseen(network: nn.Module, size: int) -> int:
    """Pixels at the right and the bottom that no patch covers."""
    embed = getattr(network, "patch_embed", None)
    cut = isinstance(embed, PatchEmbed) and not embed.dynamic_img_pad
    return size % max(embed.patch_size) if cut else 0  # type: ignore[union-attr]


def sizes_that_fit(name: str, size: int) -> list[int]:
    """Sizes that timm runs a backbone at and that it sees all of: the nearest below and above, and its own.

    They are tried, on a device that computes nothing: each takes a second or less.
    """
    own = _config(name)["input_size"][-1]
    steps = [*_STEPS, *(own // n for n in (1, 2, 4))]
    near = {size // step * step + more for step in steps for more in (0, step)}
    near = {each for each in near if 0 < each <= 2 * max(size, own)}
    below = next((each for each in sorted(near, reverse=True) if each < size and _runs(name, each)), 0)
    above = next((each for each in sorted(near) if each > size and _runs(name, each)), 0)
    return sorted({own, below, above} - {0})


def _runs(name: str, size: int) -> bool:
    """Whether timm runs the backbone at the size, leaving nothing out."""
    try:
        with torch.device("meta"):
            network = timm.create_model(name, **_options(name, size))
            _look(network, size)
    except _REFUSALS:
        return False
    return not _unseen(network, size)


def _options(name: str, size: int) -> dict[str, Any]:
    """No classifier, and the input's size where timm has the model built for one."""
    return {"num_classes": 0} | ({"img_size": size} if _config(name)["fixed_input_size"] else {})


def _config(name: str) -> dict[str, Any]:
    """timm's description of a model, which it keeps under names of today only."""
    known = timm.get_pretrained_cfg(name)
    if known is not None:
        return dict(known.to_dict())
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        return dict(timm.create_model(name).pretrained_cfg)


def _look(network: nn.Module, size: int) -> Tensor:
    """What the network makes of one black image, in evaluation mode."""
    with torch.inference_mode():
        features: Tensor = network.eval()(torch.zeros(1, 3, size, size))
    return features


def _cure(name: str, size: int, error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), "")[:120] or type(error).__name__
    fit = _either(sizes_that_fit(name, size))
    return f"image_size={size} does not fit backbone {name!r} ({reason}): use {fit}"


def _either(sizes: Sequence[int]) -> str:
    *others, last = map(str, sizes)
    return f"{', '.join(others)} or {last}" if others else last


def _from_hub(name: str, options: dict[str, Any]) -> nn.Module:
    try:
        network: nn.Module = timm.create_model(name, pretrained=True, **options)
    except Exception as error:  # whatever the hub's client raises: no network, no such file, no such weights
        raise ValueError(
            f"pretrained=true: the hub's weights of {name!r} could not be had "
            f"({type(error).__name__}: {str(error).splitlines()[0][:120]}). Where there is no network, fetch "
            'the file elsewhere and give it as weights = "path/to/file.safetensors" with pretrained = false, '
            "or WEIGHTS=path/to/file on the command line"
        ) from error
    return network
