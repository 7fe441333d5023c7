"""Convolutions whose weights learn by faster loops: depthwise ones, and those of single pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from timm.layers import Conv2dSame
from timm.layers.padding import get_same_padding, pad_same
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from train.loops.depthwise_loops import add_products_3, add_products_5
from train.loops.layout import images_of, trains_here
from train.loops.threads import edges_of, run_parts

_PRODUCTS = {3: add_products_3, 5: add_products_5}
_DENSE = 4096
"""Weights of a convolution of single pixels from which a matrix product finds their gradient sooner."""


class DepthwiseConv(nn.Conv2d):
    """A depthwise convolution of 3 or 5 pixels whose weights' gradient is found by compiled loops."""

    def forward(self, input: Tensor) -> Tensor:
        """Float [n, channels, h, w] -> the outputs of `nn.Conv2d`."""
        if not trains_here(input):
            return super().forward(input)
        outputs: Tensor = _Depthwise.apply(input, self.weight, self.stride[0], *self.padding)
        return outputs


class DepthwiseConvSame(Conv2dSame):  # type: ignore[misc]
    """The same with TensorFlow's padding, which depends on the input's size."""

    def forward(self, x: Tensor) -> Tensor:
        """Float [n, channels, h, w] -> the outputs of `Conv2dSame`."""
        if not trains_here(x):
            return super().forward(x)  # type: ignore[no-any-return]
        size, stride = self.kernel_size[0], self.stride[0]
        total = {get_same_padding(side, size, stride, 1) for side in x.shape[2:]}
        if len(total) > 1:
            x = pad_same(x, self.kernel_size, self.stride)
            total = {0}
        before = total.pop()
        before, after = before // 2, before - before // 2
        outputs: Tensor = _Depthwise.apply(x, self.weight, stride, before, after)
        return outputs


class PixelConv(nn.Conv2d):
    """A convolution of single pixels whose weights' gradient is one matrix product."""

    def forward(self, input: Tensor) -> Tensor:
        """Float [n, channels, h, w] -> the outputs of `nn.Conv2d`."""
        if not trains_here(input):
            return super().forward(input)
        outputs: Tensor = _Pixel.apply(input, self.weight)
        return outputs


def replaced(layer: nn.Module) -> type[nn.Module] | None:
    """The class above that computes what this layer does, with the same weights; None where there is none."""
    if not isinstance(layer, nn.Conv2d) or type(layer) not in (nn.Conv2d, Conv2dSame):
        return None
    if layer.bias is not None or layer.padding_mode != "zeros":
        return None
    if layer.groups == layer.in_channels == layer.out_channels > 1:
        alike = all(len(set(pair)) == 1 for pair in (layer.kernel_size, layer.stride, layer.padding))
        if layer.kernel_size[0] not in _PRODUCTS or layer.dilation != (1, 1) or not alike:
            return None
        return DepthwiseConvSame if isinstance(layer, Conv2dSame) else DepthwiseConv
    single = layer.kernel_size == layer.stride == (1, 1) and layer.padding == (0, 0) and layer.groups == 1
    return PixelConv if single and layer.weight.numel() >= _DENSE else None


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution padded by `before` at the top and left, by as much or one more at the others.

    Where it is one more, torch would need a padded copy of the images. A kernel that begins with a row and a
    column of zeros, padded alike on all sides, computes the same.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, before: int, after: int) -> Tensor:
        kernel = functional.pad(weight, (after - before, 0) * 2)
        ctx.save_for_backward(x, kernel)
        ctx.kept = stride, before, after
        return functional.conv2d(x, kernel, None, stride, after, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        stride, before, after = ctx.kept
        above = above.contiguous(memory_format=torch.channels_last)
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = _input_gradient(above, x, kernel, stride, after)
        if ctx.needs_input_grad[1]:
            images, g, size = images_of(x), images_of(above), kernel.shape[-1] - (after - before)
            edges = edges_of(len(images), g.size)
            sums = np.zeros((len(edges) - 1, size, size, len(kernel)), np.float32)
            add = _PRODUCTS[size]
            run_parts(lambda *some: add(*some, edges, images, g, stride, before, sums), edges)
            of_weight = torch.from_numpy(sums.sum(0)).permute(2, 0, 1).unsqueeze(1)
        return of_input, of_weight, None, None, None


class _Pixel(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        above = above.contiguous(memory_format=torch.channels_last)
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = _input_gradient(above, x, weight, 1, 0)
        if ctx.needs_input_grad[1]:
            g, rows = (t.permute(0, 2, 3, 1).reshape(-1, t.shape[1]) for t in (above, x))
            of_weight = (g.T @ rows).view_as(weight)
        return of_input, of_weight


def _input_gradient(above: Tensor, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    groups = x.shape[1] // weight.shape[1]
    found: tuple[Tensor, ...] = torch.ops.aten.convolution_backward(
        above,
        x,
        weight,
        None,
        [stride] * 2,
        [padding] * 2,
        [1, 1],
        False,
        [0, 0],
        groups,
        [True, False, False],
    )
    return found[0]
