"""Who comes when: the order of an epoch as a pure function, so that resuming needs no saved state.

Which rows make an epoch, and how often each, is a `Sampler`'s to say (samplers.py, balanced.py); dividing an
epoch among processes is done here, the same for all of them.

Memory: places are counted, not listed, and rows are looked up a batch at a time. So an order takes what the
sampler's sequence does: 8 bytes a place where that is a list, nothing where it is computed from the place
(`Permutation`, `InOrder`). `python -m bench.scale` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from faces.labels import IntArray

ORDER_STREAM: Final = 0
"""Keeps the numbers that order an epoch apart from those that augment it (`definition.Numbers`)."""

_ROUNDS: Final = 8


class RowSequence(Protocol):
    """Rows one after the other: an array of them, or what computes them."""

    def __len__(self) -> int:
        """How many."""

    def __getitem__(self, places: IntArray, /) -> IntArray:
        """[b] the rows at these places, int64 [b] in 0 to len - 1."""


class Permutation:
    """Rows 0 to rows - 1 in random order, each computed from its place alone, in memory that does not grow.

    A Feistel network on pairs of numbers whose sides multiply to `rows` or little more; what it puts beyond
    the rows is put through it again until it is among them ("generalized Feistel" with cycle walking, Black
    and Rogaway, Ciphers with Arbitrary Finite Domains, CT-RSA 2002). Each round can be undone, by a
    subtraction, so that no two places have the same row.

    Args:
        rows: how many, 1 to 2^62.
        key: for example (seed, epoch, stream); 0 or more each.
    """

    def __init__(self, rows: int, *key: int) -> None:
        self._rows = rows
        # Sides of about the same length: as near to `rows` as that goes, so that hardly any goes round twice.
        self._high = isqrt(rows - 1) + 1
        self._low = -(-rows // self._high)
        self._keys = generator(*key).integers(0, 2**64, _ROUNDS, dtype=np.uint64)

    def __len__(self) -> int:
        """Rows."""
        return self._rows

    def __getitem__(self, places: IntArray) -> IntArray:
        """[b] the rows at these places, int64."""
        found = self._once(np.asarray(places, np.uint64))
        while len(beyond := np.flatnonzero(found >= self._rows)):
            found[beyond] = self._once(found[beyond])
        return found.astype(np.int64)

    def _once(self, numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """[b] a permutation of 0 to high x low - 1."""
        high, low = np.divmod(numbers, np.uint64(self._low))
        for number, key in enumerate(self._keys):
            if number % 2:
                low = (low + _scattered(high + key) % self._low) % self._low
            else:
                high = (high + _scattered(low + key) % self._high) % self._high
        return high * np.uint64(self._low) + low


def _scattered(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """64 bits for each number, which depend on all of its: the finaliser of SplitMix64 (Steele, Lea and
    Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


class Sampler(Protocol):
    """Which of some rows an epoch goes through, one after the other."""

    @property
    def rows(self) -> int:
        """Rows it chooses from, numbered from 0."""

    @property
    def training(self) -> bool:
        """Whether all processes must make equally many steps; otherwise every row comes exactly once."""

    def samples(self, *, epoch: int, seed: int) -> RowSequence:
        """[m] the rows of a whole epoch in order, a pure function of the arguments; m is that of epoch 0."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One rank's share of an epoch. Its own places are numbered from 0; a sample's random draws belong to its
    place in the whole epoch."""

    sequence: RowSequence
    """Rows of the whole epoch, all ranks together, without padding."""
    total: int
    """Places in the whole epoch, all ranks together, with it."""
    rank: int
    world: int

    def __len__(self) -> int:
        """Places of this rank."""
        return len(range(self.rank, self.total, self.world))

    def positions_of(self, places: IntArray) -> IntArray:
        """[b] where these places of the rank stand in the whole epoch."""
        return self.rank + np.asarray(places, np.int64) * self.world

    def samples_of(self, places: IntArray) -> IntArray:
        """[b] int64 which of the sampler's rows stands at each of these places of the rank."""
        found = self.sequence[self.positions_of(places) % len(self.sequence)]
        return found.astype(np.int64, copy=False)

    @property
    def positions(self) -> IntArray:
        """[m] all places of the rank in the whole epoch, ascending."""
        return self.positions_of(np.arange(len(self)))

    @property
    def samples(self) -> IntArray:
        """[m] which of the sampler's rows stands at each: a list, which grows with them."""
        return self.samples_of(np.arange(len(self)))


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
    sequence = sampler.samples(epoch=epoch, seed=seed)
    n = len(sequence)
    total = -(-n // world) * world if sampler.training else n
    return Order(sequence=sequence, total=total, rank=rank, world=world)
