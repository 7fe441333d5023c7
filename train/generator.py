"""A small class-conditional generator of face crops: rectified flow on a U-Net.

A crop x is reached from noise z along the straight line x_t = (1 - t) z + t x, whose velocity x - z the
network learns to tell from x_t, t and the labels (Liu et al., Flow Straight and Fast, 2022; Lipman et al.,
Flow Matching, 2022). Following the velocity from t = 0 to 1 turns noise into a crop. Mask, gender and age
band have an embedding each, and these are summed, so that what masks look like is learnt from everyone.
The network adds to a velocity known in closed form (train/generator_linear.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.generator_design import GeneratorDesign
from train.generator_linear import FACTOR_SIZES, LinearFlow, condition, untold

_GROUPS = 8
_HEAD_WIDTH = 32
LEAP = 0.6
"""When sampling leaps to the crop expected; of 0.6, 0.7, 0.8 and 0.9 the first came nearest to photos."""
_LONGEST = 1000.0
"""Highest frequency, in radians per unit of t, by which t is told to the network."""


Field = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A velocity: of images, times and what is told, as `Generator.forward`."""


class Block(nn.Module):
    """A residual block of two 3 x 3 convolutions, scaled and shifted by the embedding of time and labels."""

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, width)
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.norm2 = nn.GroupNorm(_GROUPS, width)
        self.conv2 = _silent(nn.Conv2d(width, width, 3, padding=1))
        self.modulation = _silent(nn.Linear(embedding, 2 * width))

    def forward(self, images: Tensor, embedding: Tensor) -> Tensor:
        """Float [n, width, h, w] and [n, embedding] -> float [n, width, h, w]."""
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, 1)
        hidden = self.norm2(self.conv1(F.silu(self.norm1(images))))
        out: Tensor = images + self.conv2(F.silu(hidden * (1 + scale) + shift))
        return out


class Attention(nn.Module):
    """Self-attention between all places of a feature map, added to it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = max(1, width // _HEAD_WIDTH)
        self.norm = nn.GroupNorm(_GROUPS, width)
        self.project = nn.Conv2d(width, 3 * width, 1)
        self.out = _silent(nn.Conv2d(width, width, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Float [n, width, h, w] -> the same shape."""
        n, width, h, w = images.shape
        parts = self.project(self.norm(images)).reshape(n, 3, self.heads, width // self.heads, h * w)
        query, key, value = parts.transpose(-1, -2).unbind(1)
        seen = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = images + self.out(seen.transpose(-1, -2).reshape(n, width, h, w))
        return out


class Generator(nn.Module):
    """The velocity field: a U-Net on pixels folded 2 x 2 into channels, with attention at its coarsest level.

    Skips are added rather than concatenated, which halves the cost of the way up (Hoogeboom et al., Simple
    Diffusion, 2023).

    Args:
        design: image size, widths and blocks of the levels from fine to coarse.
    """

    def __init__(self, design: GeneratorDesign) -> None:
        super().__init__()
        widths, width = design.widths, design.embedding
        self.linear = LinearFlow(design.image_size, design.components)
        self.labels = nn.ModuleList(nn.Embedding(size + 1, width) for size in FACTOR_SIZES)
        frequencies = torch.exp(torch.linspace(0, math.log(_LONGEST), width // 4))
        self.frequencies: Tensor
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.time = nn.Sequential(nn.Linear(width // 4 * 2, width), nn.SiLU(), nn.Linear(width, width))
        self.entry = nn.Conv2d(24, widths[0], 3, padding=1)
        self.place = nn.Parameter(torch.zeros(1, widths[0], design.image_size // 2, design.image_size // 2))
        sides = [
            nn.ModuleList(
                nn.ModuleList(Block(w, width) for _ in range(count))
                for w, count in zip(widths, design.blocks, strict=True)
            )
            for _ in range(2)
        ]
        self.down, self.up = sides
        steps = list(itertools.pairwise(widths))
        self.shrink = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.grow = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.attention = nn.ModuleList(Attention(widths[-1]) for _ in range(2))
        self.exit = _silent(nn.Conv2d(widths[0], 12, 3, padding=1))

    def forward(self, images: Tensor, time: Tensor, told: Tensor) -> Tensor:
        """The velocity at some points of the lines.

        Args:
            images: float [n, 3, S, S], about -1 to 1 where time is 1.
            time: float [n], 0 (noise) to 1 (crop).
            told: int64 [n, 3] as `condition` or `untold` give them.

        Returns:
            float [n, 3, S, S] change of the image per unit of time.
        """
        embedding = self._embed(time, told)
        velocity, crops = self.linear(images, time, told)
        hidden = self.entry(F.pixel_unshuffle(torch.cat([images, crops], 1), 2)) + self.place
        skips = []
        for level, blocks in enumerate(self.down):
            if level:
                skips.append(hidden)
                hidden = self.shrink[level - 1](hidden)
            hidden = _through(blocks, hidden, embedding)
        hidden = self.attention[0](hidden)
        hidden = _through(self.up[-1], hidden, embedding)
        hidden = self.attention[1](hidden)
        for level in reversed(range(len(skips))):
            hidden = F.pixel_shuffle(self.grow[level](hidden), 2) + skips[level]
            hidden = _through(self.up[level], hidden, embedding)
        out: Tensor = velocity + F.pixel_shuffle(self.exit(F.silu(hidden)), 2)
        return out

    def closed_form(self, images: Tensor, time: Tensor, told: Tensor) -> Tensor:
        """`forward` without what the network has learnt."""
        velocity: Tensor = self.linear(images, time, told)[0]
        return velocity

    def _embed(self, time: Tensor, told: Tensor) -> Tensor:
        angles = time[:, None] * self.frequencies
        waves = torch.cat([angles.sin(), angles.cos()], 1)
        labels = torch.stack([table(told[:, k]) for k, table in enumerate(self.labels)])
        return F.silu(self.time(waves) + labels.sum(0))


def _through(blocks: Any, hidden: Tensor, embedding: Tensor) -> Tensor:
    for block in blocks:
        hidden = block(hidden, embedding)
    return hidden


def _silent(layer: Any) -> Any:
    """The layer, starting at zero, so that a residual network starts as the identity."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def flow_loss(
    field: Field,
    crops: Tensor,
    classes: Tensor,
    *,
    label_dropout: float,
    random: torch.Generator,
) -> Tensor:
    """Mean squared error of the velocity, on one point of the line to each crop.

    Times are logistic-normal with mean -0.4 and deviation 1, which asks most often where a crop takes its
    shape (Esser et al., Scaling Rectified Flow Transformers, 2024). Gender and age of some crops are
    not told, so that the network also learns the velocity without them, which guidance needs (Ho and
    Salimans, Classifier-Free Diffusion Guidance, 2022).

    Args:
        field: the generator.
        crops: float [n, 3, S, S] in -1 to 1.
        classes: int64 [n], 18-class codes.
        label_dropout: share of crops whose gender and age are not told.
        random: gives times, noise and whose labels are told.

    Returns:
        Scalar.
    """
    count = len(crops)
    time = torch.sigmoid(torch.randn(count, generator=random) - 0.4)
    noise = torch.randn(crops.shape, generator=random)
    told = condition(classes)
    dropped = torch.rand(count, 1, generator=random) < label_dropout
    told = torch.where(dropped, untold(told), told)
    at = time[:, None, None, None]
    points = ((1 - at) * noise + at * crops).contiguous(memory_format=torch.channels_last)
    return (field(points, time, told) - (crops - noise)).square().mean()


@torch.inference_mode()
def sample(
    field: Field, classes: Tensor, noise: Tensor, *, steps: int, guidance: float, leap: float = LEAP
) -> Tensor:
    """Crops of the classes asked for, from noise, by Heun's method.

    Times lie closer together near the noise, where the velocity bends most, and the last step leads from
    `leap` straight to the crop expected there, which loses the finest detail: following every bend leaves
    more grain than photos have. With guidance g the velocity is v + (g - 1) (v - u), where u is the velocity
    without gender and age: samples become clearer examples of theirs and less various.

    Args:
        field: a generator in evaluation mode, or its `closed_form`.
        classes: int64 [n], 18-class codes.
        noise: float [n, 3, S, S], standard normal.
        steps: of the solver, two evaluations each but the last, which takes one.
        guidance: 1 is none.
        leap: time at which the last step begins, in (0, 1).

    Returns:
        float [n, 3, S, S] clipped to -1 to 1.
    """
    told = condition(classes)

    def velocity(images: Tensor, time: float) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        labelled = field(images, torch.full((len(images),), time), told)
        if guidance == 1:
            return labelled
        unlabelled = field(images, torch.full((len(images),), time), untold(told))
        return labelled + (guidance - 1) * (labelled - unlabelled)

    times = [leap * (k / (steps - 1)) ** 1.5 for k in range(steps)] + [1.0]
    images = noise
    for now, then in itertools.pairwise(times):
        first = velocity(images, now)
        ahead = images + (then - now) * first
        images = images + (then - now) / 2 * (first + velocity(ahead, then)) if then < 1 else ahead
    return images.clamp(-1, 1)
