"""Layers of a network exchanged for those with faster loops, and back: weights and their names stay."""

from __future__ import annotations

from timm.layers import BatchNormAct2d, Conv2dSame
from torch import nn

from train.loops.convolution import DepthwiseConv, DepthwiseConvSame, PixelConv, replaced
from train.loops.norm import FusedNormAct

_PLAIN: dict[type[nn.Module], type[nn.Module]] = {
    FusedNormAct: BatchNormAct2d,
    DepthwiseConv: nn.Conv2d,
    DepthwiseConvSame: Conv2dSame,
    PixelConv: nn.Conv2d,
}


def use_loops(network: nn.Module) -> None:
    """Exchange what can be.

    Off a CPU, in other arithmetic, out of training and compiled they are the layers that they were.
    """
    for layer in network.modules():
        kind = FusedNormAct if type(layer) is BatchNormAct2d else replaced(layer)
        if kind is not None:
            layer.__class__ = kind


def exchanged(network: nn.Module) -> int:
    """How many of its layers have loops of ours."""
    return sum(type(layer) in _PLAIN for layer in network.modules())


def use_plain(network: nn.Module) -> None:
    """Give all layers torch's own computations again."""
    for layer in network.modules():
        layer.__class__ = _PLAIN.get(type(layer), type(layer))
