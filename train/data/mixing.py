"""Mixing: the photos of a batch joined in pairs, and the labels of every head with them.

- mixup (Zhang et al. 2018) blends a photo with its partner, pixel by pixel;
- cutmix (Yun et al. 2019) pastes a box of the partner over the photo;
- half_face joins the left part of a photo with the right part of its partner, cut at the same column, so that
  two centred faces meet at the cut.

Each photo draws for itself whether it is mixed, with whom and how much: a batch then holds plain and mixed
photos side by side, and the labels stay exact. Every draw is made on the CPU as a pure function of (seed,
epoch, step, rank), so resuming in mid-epoch and the device change nothing, and the host never waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faces.cache.reader import Cache
from faces.labels import UNKNOWN, IntArray
from pipeline.order import generator
from train.recipe.data import Mixing
from train.recipe.fit import number_meant

MIXING_STREAM: Final = 100
"""Keeps the numbers that mix a batch apart from those that order and augment its epoch."""

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Mix:
    """How the n photos of one batch are joined."""

    partner: Tensor
    """[n] int64, number in the batch of each photo's partner; its own if and only if it is not mixed."""
    share: Tensor
    """[n] float32 in [0, 1], the part of each photo's pixels that are its own; 1 where it is not mixed."""
    boxes: Tensor | None
    """[n, 4] int64 xyxy in pixels, right and bottom exclusive: what comes from the partner, empty where the
    photo is not mixed. None for mixup, where every pixel comes from both."""

    def to(self, device: torch.device) -> Mix:
        """The same on another device, without waiting for it."""
        return Mix(
            partner=self.partner.to(device, non_blocking=True),
            share=self.share.to(device, non_blocking=True),
            boxes=None if self.boxes is None else self.boxes.to(device, non_blocking=True),
        )


def rare_photos(cache: Cache, rows: IntArray, tasks: Sequence[str]) -> BoolArray:
    """Which photos of a cache are of the band of a number, such as age, that is rarest among some rows.

    Args:
        cache: labelled, wholly or in part.
        tasks: those trained, which say the number that is meant (`number_meant`).
        rows: what is counted: the rows trained on. Of bands equally rare, the highest counts as the rarest;
            a band that none of them is in does not count.

    Returns:
        [len(cache)] bool; all False where no number is known among the rows, or the labels have none.
    """
    number = number_meant(tasks, cache.label_set)
    if number is None:
        return np.zeros(len(cache), bool)
    bands = cache.labels(number.name)
    known = bands[rows][bands[rows] != UNKNOWN]
    if not len(known):
        return np.zeros(len(bands), bool)
    counts = np.bincount(known)
    counts = np.where(counts == 0, len(known) + 1, counts)
    rarest = len(counts) - 1 - counts[::-1].argmin()
    return np.asarray(bands == rarest)


def draw_mix(
    mixing: Mixing, rare: BoolArray, size: int, *, seed: int, epoch: int, step: int, rank: int = 0
) -> Mix:
    """Draw how a batch is mixed.

    Args:
        mixing: the kind and its strengths; not "none".
        rare: [n] which photos of the batch are of the rare band (`rare_photos`).
        size: height and width of the images, pixels.
        seed: 0 or more.
        epoch: 0 or more.
        step: number of the batch in its epoch.
        rank: this process; each mixes its own part of a batch.

    Returns:
        Tensors on the CPU.
    """
    random = generator(seed, epoch, MIXING_STREAM, step, rank)
    n = len(rare)
    mixed = random.random(n) < mixing.probability
    partner = np.where(mixed, _partners(random, rare, mixing.partner), np.arange(n))
    mixed &= partner != np.arange(n)
    if mixing.name == "half_face":
        boxes = _right_parts(random.uniform(*mixing.ratio, n), size)
    else:
        share = random.beta(mixing.alpha, mixing.alpha, n)
        if mixing.name == "mixup":
            own = torch.from_numpy(np.where(mixed, share, 1).astype(np.float32))
            return Mix(partner=torch.from_numpy(partner), share=own, boxes=None)
        boxes = _boxes(share, random.random((2, n)), size)
    boxes[~mixed] = 0
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return Mix(
        partner=torch.from_numpy(partner),
        share=torch.from_numpy((1 - area / size**2).astype(np.float32)),
        boxes=torch.from_numpy(boxes),
    )


def _partners(random: np.random.Generator, rare: BoolArray, rule: str) -> IntArray:
    """[n] partners.

    "any" is one random ring through the batch: each photo is the partner of exactly one other. "rare_age" is
    any rare photo but the photo itself; the only rare photo of a batch is its own partner and so stays as it
    is, and a batch without one is mixed as by "any".
    """
    ring = random.permutation(len(rare))
    partner = np.empty_like(ring)
    partner[ring] = np.roll(ring, -1)
    if rule == "any" or not rare.any():
        return partner
    candidates = np.flatnonzero(rare)
    count = len(candidates)
    pick = random.integers(count, size=len(rare))
    pick[candidates] = (np.arange(count) + random.integers(1, max(count, 2), size=count)) % count
    return np.asarray(candidates[pick])


def _right_parts(ratio: NDArray[np.float64], size: int) -> IntArray:
    """[n, 4] boxes right of the column nearest to `ratio` of the width, at least one column on each side."""
    cut = np.rint(ratio * size).clip(1, size - 1).astype(np.int64)
    edge = np.full_like(cut, size)
    return np.stack([cut, np.zeros_like(cut), edge, edge], 1)


def _boxes(share: NDArray[np.float64], centre: NDArray[np.float64], size: int) -> IntArray:
    """[n, 4] boxes of area 1 - share about a centre anywhere, less what stands out of the image."""
    half = (size * np.sqrt(1 - share)).astype(np.int64) // 2
    middle = (centre * size).astype(np.int64)
    low, high = (middle - half).clip(0, size), (middle + half).clip(0, size)
    return np.stack([low[0], low[1], high[0], high[1]], 1)


def mix_images(images: Tensor, mix: Mix) -> Tensor:
    """Join the photos of a batch.

    Args:
        images: float [n, channels, size, size], on the device of `mix`.
        mix: how.

    Returns:
        A tensor of its own of the same shape, type and memory format; unmixed photos bit for bit the same.
    """
    partners = images[mix.partner]
    if mix.boxes is None:
        return torch.lerp(partners, images, mix.share.to(images.dtype)[:, None, None, None])
    at = torch.arange(images.shape[-1], device=images.device)
    left, top, right, bottom = mix.boxes[:, :, None].unbind(1)
    across, down = (at >= left) & (at < right), (at >= top) & (at < bottom)
    return torch.where((down[:, :, None] & across[:, None, :])[:, None], partners, images)


def mix_targets(targets: Mapping[str, Tensor], mix: Mix) -> dict[str, Tensor]:
    """The targets of mixed photos: share of its own row, the rest its partner's.

    A row sums to the part of the photo whose label is known, which is also its weight in the loss. At share
    .7, classes 0 and 1 of three give [.7, .3, 0]; where the partner's class is unknown [.7, 0, 0]; where both
    are, [0, 0, 0]. The gradient of the cross-entropy with [.7, 0, 0] is .7 (softmax - [1, 0, 0]): the same as
    if the unknown .3 were labelled with what the network itself believes, so it teaches nothing. Scaling the
    row to [1, 0, 0] would teach that the photo is wholly of class 0, though three tenths of it are not.

    Args:
        targets: float32 [n, outcomes] by output, on the device of `mix`; rows of zeros where unknown.
        mix: how the photos were joined.

    Returns:
        float32 [n, outcomes] by output.
    """
    return {name: torch.lerp(rows[mix.partner], rows, mix.share[:, None]) for name, rows in targets.items()}


def mix(
    images: Tensor,
    targets: Mapping[str, Tensor],
    mixing: Mixing,
    *,
    rare: BoolArray,
    seed: int,
    epoch: int,
    step: int,
    rank: int = 0,
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """Mix one training batch.

    Args:
        images: float [n, channels, size, size].
        targets: float32 [n, outcomes] by output, on the device of `images`.
        mixing: the recipe's.
        rare: [n] which photos are of the rare band, on the CPU.
        seed: 0 or more.
        epoch: 0 or more.
        step: number of the batch in its epoch.
        rank: this process.

    Returns:
        Images like `images` and targets like `targets`. With mixing "none" the very objects given.
    """
    if mixing.name == "none":
        return images, targets
    drawn = draw_mix(mixing, rare, images.shape[-1], seed=seed, epoch=epoch, step=step, rank=rank)
    drawn = drawn.to(images.device)
    return mix_images(images, drawn), mix_targets(targets, drawn)
