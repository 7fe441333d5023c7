"""Convolutions with gradients of our own: torch's answers, and gradients as near to exact ones as torch's."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import Tensor, nn

from train.loops.convolution import DepthwiseConv, DepthwiseConvSame, PixelConv, replaced

LAYERS = {
    f"{kind.__name__} {kernel} by {stride}, padded {padding}": (
        kind(24, 24, kernel, stride, padding, groups=24, bias=False),
        of,
    )
    for kind, of, paddings in ((nn.Conv2d, DepthwiseConv, (0, 1, 2)), (Conv2dSame, DepthwiseConvSame, (0,)))
    for kernel in (3, 5)
    for stride in (1, 2, 3)
    for padding in paddings
} | {"single pixels": (nn.Conv2d(64, 96, 1, bias=False), PixelConv)}


def passed(conv: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, gradient of the input and of the weights, in float64."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = conv(x)
    (y.square().sum() / 2 + y.sum()).backward()
    weight = conv.get_parameter("weight")
    assert x.grad is not None and weight.grad is not None
    return y.detach().double(), x.grad.double(), weight.grad.double()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("size", [(5, 8), (11, 6), (32, 33)])
def test_answers_and_gradients_are_those_of_the_layer(name: str, size: tuple[int, int]) -> None:
    torch.manual_seed(2)
    plain, kind = LAYERS[name]
    assert replaced(plain) is kind
    ours = copy.deepcopy(plain)
    ours.__class__ = kind
    x = torch.randn(5, plain.in_channels, *size).to(memory_format=torch.channels_last)
    seen = (
        passed(copy.deepcopy(plain), x),
        passed(ours, x),
        passed(copy.deepcopy(plain).double(), x.double()),
    )
    for torchs, mine, true in zip(*seen, strict=True):
        assert mine.shape == true.shape
        assert (mine - true).norm() <= 2 * (torchs - true).norm() + 1e-6 * true.norm()


def test_what_needs_no_gradient_gets_none() -> None:
    conv = DepthwiseConv(8, 8, 3, padding=1, groups=8, bias=False)
    x = torch.randn(2, 8, 6, 6).to(memory_format=torch.channels_last)
    conv(x).sum().backward()
    assert x.grad is None and conv.weight.grad is not None
    conv.requires_grad_(False)
    conv.weight.grad = None
    conv(x.requires_grad_()).sum().backward()
    assert x.grad is not None and conv.weight.grad is None


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 16, 3, groups=8, bias=False),
        nn.Conv2d(8, 8, 7, groups=8, bias=False),
        nn.Conv2d(8, 8, (3, 5), groups=8, bias=False),
        nn.Conv2d(8, 8, 3, (1, 2), groups=8, bias=False),
        nn.Conv2d(8, 8, 3, dilation=2, groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect", groups=8, bias=False),
        nn.Conv2d(8, 8, 3, padding="same", groups=8, bias=False),
        nn.Conv2d(64, 64, 1, 2, bias=False),
        nn.Conv2d(16, 16, 1, bias=False),
        nn.Conv2d(64, 64, 1),
        nn.Linear(64, 64),
    ],
    ids=str,
)
def test_all_else_stays(layer: nn.Module) -> None:
    assert replaced(layer) is None
