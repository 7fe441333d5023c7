"""Batch normalisation with its activation in fewer passes over memory than torch's layers take one by one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from train.loops.layout import rows_of, trains_here
from train.loops.norm_loops import add_gradient_sums, add_moments, input_gradient, normalise
from train.loops.threads import edges_of, run_parts

_WIDTH = 256
"""Columns below which neighbouring rows are taken as one, so that loops over columns are long enough."""
_SEEN = 64
"""Rows whose mean is what sums are taken about."""

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class FusedNormAct(BatchNormAct2d):  # type: ignore[misc]
    """timm's batch normalisation with activation; trained on a CPU, both are computed at once."""

    def forward(self, x: Tensor) -> Tensor:
        """Float [n, channels, h, w] -> the outputs of `BatchNormAct2d`."""
        if not (self.training and self.momentum is not None and self.affine and trains_here(x)):
            return super().forward(x)  # type: ignore[no-any-return]
        if self.track_running_stats:
            self.num_batches_tracked.add_(1)
        known = bend(self.act) if isinstance(self.drop, nn.Identity) else None
        slope, cap = known or (1.0, math.inf)
        running = (self.running_mean, self.running_var) if self.track_running_stats else (None, None)
        y: Tensor = _NormAct.apply(x, self.weight, self.bias, *running, self.momentum, self.eps, slope, cap)
        return y if known else self.act(self.drop(y))


def bend(act: nn.Module) -> tuple[float, float] | None:
    """(slope below 0, cap) of an activation that is straight but for 0 and a cap; None of others."""
    kind = type(act)
    if kind is nn.LeakyReLU:
        return float(act.negative_slope), math.inf  # type: ignore[arg-type]
    return {nn.Identity: (1.0, math.inf), nn.ReLU: (0.0, math.inf), nn.ReLU6: (0.0, 6.0)}.get(kind)


class _NormAct(torch.autograd.Function):
    """Ioffe and Szegedy 2015, algorithm 1 and its gradient, with the activation of `norm_loops`."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        momentum: float,
        eps: float,
        slope: float,
        cap: float,
    ) -> Tensor:
        channels = x.shape[1]
        pixels = _folded(x)
        mean, variance = _moments(pixels, channels)
        if running_mean is not None and running_var is not None:
            count = x.numel() / channels
            running_mean.lerp_(torch.from_numpy(mean).float(), momentum)
            running_var.lerp_(torch.from_numpy(variance * (count / (count - 1))).float(), momentum)
        inverse = 1 / np.sqrt(variance + eps)
        steepness = weight.detach().numpy() * inverse
        scale, offset = _wide(pixels, steepness), _wide(pixels, bias.detach().numpy() - mean * steepness)
        y = torch.empty_like(x)
        out, bends = _folded(y), (slope, cap)
        edges = edges_of(len(pixels), pixels.size)
        run_parts(lambda *some: normalise(*some, edges, pixels, scale, offset, *bends, out), edges)
        ctx.save_for_backward(x)
        ctx.kept = mean, inverse, scale, offset, bends
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        mean, inverse, scale, offset, bends = ctx.kept
        channels = x.shape[1]
        pixels, g = _folded(x), _folded(above.contiguous(memory_format=torch.channels_last))
        middle = _wide(pixels, mean)
        edges = edges_of(len(pixels), pixels.size)
        sums = np.zeros((len(edges) - 1, 2, pixels.shape[1]))
        seen = pixels, g, scale, offset
        run_parts(lambda *some: add_gradient_sums(*some, edges, *seen, middle, *bends, sums), edges)
        total, centred = sums.sum(0).reshape(2, -1, channels).sum(1)
        gradient = None
        if ctx.needs_input_grad[0]:
            count, a = pixels.size / channels, scale[:channels].astype(np.float64)
            slant = -a * inverse**2 * centred / count
            factor, constant = _wide(pixels, slant), _wide(pixels, -a * total / count - slant * mean)
            gradient = torch.empty_like(x)
            into = factor, constant, _folded(gradient)
            run_parts(lambda *some: input_gradient(*some, edges, *seen, *bends, *into), edges)
        of_weight = torch.from_numpy((centred * inverse).astype(np.float32))
        return gradient, of_weight, torch.from_numpy(total.astype(np.float32)), *[None] * 6


def _folded(x: Tensor) -> Float32:
    """[rows, width] the pixels' channels, of so many pixels in a row that it is long enough for the loops."""
    rows = rows_of(x)
    together = 1
    while rows.shape[1] * together < _WIDTH and len(rows) % (2 * together) == 0:
        together *= 2
    return rows.reshape(len(rows) // together, -1)


def _wide(pixels: Float32, values: Float64) -> Float32:
    """float32 [width] the channels' values for each pixel of a row."""
    return np.tile(values.astype(np.float32), pixels.shape[1] // len(values))


def _moments(pixels: Float32, channels: int) -> tuple[Float64, Float64]:
    """float64 [channels] mean and variance (divided by the count) of the pixels."""
    some = pixels[:: max(1, len(pixels) // _SEEN)]
    about = some.reshape(-1, channels).mean(0)
    shift = _wide(pixels, about)
    edges = edges_of(len(pixels), pixels.size)
    sums = np.zeros((len(edges) - 1, 2, pixels.shape[1]))
    run_parts(lambda *some: add_moments(*some, edges, pixels, shift, sums), edges)
    first, second = sums.sum(0).reshape(2, -1, channels).sum(1) / (pixels.size / channels)
    return about + first, np.maximum(second - first**2, 0)
