"""Who comes when: the order of an epoch as a pure function, so that resuming needs no saved state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faces.labels import IntArray

ORDER_STREAM: Final = 0
"""Keeps the numbers that order an epoch apart from those that augment it (`augment.DRAW_STREAM`)."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One rank's share of an epoch."""

    positions: IntArray
    """[m] places in the whole epoch's sequence, ascending; a sample's random draws belong to its place."""
    samples: IntArray
    """[m] which of the n samples stands at each place."""
    total: int
    """Places in the whole epoch, all ranks together."""


def generator(*key: int) -> np.random.Generator:
    """A random generator that is a pure function of its key, for example (seed, epoch, stream).

    Raises:
        ValueError: a negative number in the key.
    """
    if min(key) < 0:
        raise ValueError(f"seed and epoch must be 0 or more, got {key}")
    return np.random.default_rng(key)


def check_weights(weights: ArrayLike, n: int) -> NDArray[np.float64]:
    """Sampling weights as probabilities.

    Args:
        weights: [n] finite, none negative, not all zero; any scale.
        n: number of samples.

    Returns:
        [n] float64 summing to 1.

    Raises:
        ValueError: the weights break one of these rules.
    """
    w = np.asarray(weights, np.float64)
    if w.shape != (n,):
        raise ValueError(f"weights have shape {w.shape}, need ({n},): one for every sample")
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError(f"weights must be finite and 0 or more, got {w.min()} to {w.max()}")
    if not w.any():
        raise ValueError("weights are all 0: no sample could be drawn")
    return np.asarray(w / w.sum())


def epoch_order(
    n: int,
    *,
    epoch: int,
    seed: int,
    shuffle: bool = True,
    weights: ArrayLike | None = None,
    rank: int = 0,
    world: int = 1,
) -> Order:
    """The order of one epoch, the same on every machine and independent of the batch size.

    Three kinds of epoch:
    - `weights` given: n draws with replacement, sample i with probability weights[i] / sum(weights);
    - `shuffle`: a permutation, every sample exactly once;
    - neither: samples 0 to n - 1, every sample exactly once.

    Rank r of a world takes places r, r + world, r + 2 world, ...: ranks are disjoint in places, and step k of
    all ranks together covers the same places as step k of one rank with the batch `world` times as large.
    The first two kinds are for training, where every rank must make the same number of steps: the sequence
    is first padded to a multiple of `world` by wrapping around (n = 5, world = 2: places 0 to 5, where
    place 5 repeats the sample of place 0). The third is for scoring and is not padded, so its ranks may
    differ in length by one.

    Args:
        n: number of samples, at least 1.
        epoch: 0 or more.
        seed: 0 or more.
        shuffle: whether to permute; ignored with weights.
        weights: [n] sampling weights of any scale.
        rank: this process, 0 to world - 1.
        world: number of processes.

    Returns:
        This rank's places and the samples at them.

    Raises:
        ValueError: an argument out of its range.
    """
    if n < 1:
        raise ValueError(f"an epoch needs at least one sample, got n = {n}")
    if not 0 <= rank < world:
        raise ValueError(f"rank must be in 0 to world - 1, got rank {rank} of world {world}")
    random = generator(seed, epoch, ORDER_STREAM)
    if weights is not None:
        samples = random.choice(n, size=n, p=check_weights(weights, n))
    else:
        samples = random.permutation(n) if shuffle else np.arange(n)
    training = shuffle or weights is not None
    total = -(-n // world) * world if training else n
    positions = np.arange(rank, total, world, dtype=np.int64)
    return Order(positions=positions, samples=samples[positions % n].astype(np.int64), total=total)
