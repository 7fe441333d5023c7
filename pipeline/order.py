"""Who comes when: the order of an epoch as a pure function, so that resuming needs no saved state.

Which rows make an epoch, and how often each, is a `Sampler`'s to say (samplers.py, balanced.py); dividing an
epoch among processes is done here, the same for all of them.

Memory: an order takes 16 bytes a place while an epoch runs, 1.6 GB at 100 million; `python -m bench.scale`
measures what making it takes. To keep it flat, a Feistel network keyed by (seed, epoch) would compute which
row stands at a place from the place alone, a batch at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from faces.labels import IntArray

ORDER_STREAM: Final = 0
"""Keeps the numbers that order an epoch apart from those that augment it (`definition.Numbers`)."""


class Sampler(Protocol):
    """Which of some rows an epoch goes through, one after the other."""

    @property
    def rows(self) -> int:
        """Rows it chooses from, numbered from 0."""

    @property
    def training(self) -> bool:
        """Whether all processes must make equally many steps; otherwise every row comes exactly once."""

    def samples(self, *, epoch: int, seed: int) -> IntArray:
        """[m] the rows of a whole epoch in order, a pure function of the arguments; m is that of epoch 0."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One rank's share of an epoch."""

    positions: IntArray
    """[m] places in the whole epoch's sequence, ascending; a sample's random draws belong to its place."""
    samples: IntArray
    """[m] which of the sampler's rows stands at each place."""
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


def epoch_order(sampler: Sampler, *, epoch: int, seed: int, rank: int = 0, world: int = 1) -> Order:
    """The order of one epoch, the same on every machine and independent of the batch size.

    Rank r of a world takes places r, r + world, r + 2 world, ...: ranks are disjoint in places, and step k of
    all ranks together covers the same places as step k of one rank with the batch `world` times as large.
    In training every rank must make the same number of steps: the sequence is first padded to a multiple of
    `world` by wrapping around (5 samples, world = 2: places 0 to 5, where place 5 repeats the sample of
    place 0). Scoring is not padded, so its ranks may differ in length by one.

    Args:
        sampler: which rows come.
        epoch: 0 or more.
        seed: 0 or more.
        rank: this process, 0 to world - 1.
        world: number of processes.

    Returns:
        This rank's places and the samples at them.

    Raises:
        ValueError: an argument out of its range.
    """
    if not 0 <= rank < world:
        raise ValueError(f"rank must be in 0 to world - 1, got rank {rank} of world {world}")
    samples = sampler.samples(epoch=epoch, seed=seed)
    n = len(samples)
    total = -(-n // world) * world if sampler.training else n
    positions = np.arange(rank, total, world, dtype=np.int64)
    return Order(positions=positions, samples=samples[positions % n].astype(np.int64), total=total)
