"""Batches of a cache as torch tensors: our order and draws, DALI's threads and pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import islice
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike

from faces.cache.reader import Cache
from faces.labels import IntArray
from pipeline.augment import Policy, policy_named
from pipeline.damage import MAX_SKIPPED, FileGuard, damaged_among, refused, too_much
from pipeline.definition import Device, Parameters
from pipeline.draws import draw
from pipeline.engine import PREFETCH, Engine, Inputs, Superseded
from pipeline.graph import Dtype, Graph, Layout
from pipeline.operators.halves import decoded_ahead
from pipeline.order import Order, Sampler, epoch_order
from pipeline.samplers import choose_sampler

T = TypeVar("T")
Batch = tuple[torch.Tensor, torch.Tensor]
OnDamage = Literal["stop", "skip"]
PLACES_DRAWN = 4096
"""Places of an epoch whose random numbers are drawn together: enough that drawing costs nothing."""


class Loader:
    """Batches of some rows of a cache, epoch by epoch.

    For training (`shuffle` or a `sampler` for it) a short last batch is dropped: it would weigh its few
    samples more, and batch norm fails on one. Otherwise every row comes exactly once, in the order given,
    and the last batch is short.

    Args:
        cache: the finished cache to read.
        rows: [n] row numbers of the cache; may repeat.
        batch_size: images a batch, of this rank.
        image_size: side of the images, pixels; at least 16.
        mean: of R, G and B in 0 to 1 units, as timm gives it.
        std: of R, G and B in 0 to 1 units, as timm gives it.
        policy: augmentation, or the name of one of `POLICIES`.
        centre: share of the stored crop's side that the centre crop keeps, in [0.25, 1].
        dtype: of the images, "fp32" or "fp16".
        layout: of the images in memory, "nchw" or "channels_last".
        seed: orders and augments; 0 or more.
        shuffle: permute the rows anew each epoch: short for `sampler=Shuffled(n)`.
        sampler: which of the n rows come when; as given without it and `shuffle`.
        device: "cpu", or "gpu" for the current CUDA device.
        threads: CPU threads of DALI, beside torch's.
        rank: this process, 0 to world - 1.
        world: number of processes.
        on_damage: what a crop that does not decode, or to another size, does: "stop" ends the epoch with an
            error; "skip" leaves it out of its batch and of all later ones. Every other sample keeps its batch
            and its draws.

    Attributes:
        skipped: rows of the cache left out so far, with the reason.
        next_batch: the batch after the last one given, to resume from; batches of damaged crops only are
            not given at all, so this can be ahead of the number given.

    Raises:
        ValueError: an argument out of its range, or a training batch larger than an epoch of this rank.
        CacheError: the index does not fit the shards, or the cache changed since it was opened.
    """

    def __init__(
        self,
        cache: Cache,
        rows: ArrayLike,
        *,
        batch_size: int,
        image_size: int,
        mean: Sequence[float],
        std: Sequence[float],
        policy: str | Policy = "none",
        centre: float = 1.0,
        dtype: Dtype = "fp32",
        layout: Layout = "nchw",
        seed: int = 0,
        shuffle: bool = False,
        sampler: Sampler | None = None,
        device: Device = "cpu",
        threads: int = 1,
        rank: int = 0,
        world: int = 1,
        on_damage: OnDamage = "stop",
    ) -> None:
        for name, value in (("batch_size", batch_size), ("threads", threads)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if on_damage not in ("stop", "skip"):
            raise ValueError(f"on_damage must be 'stop' or 'skip', got {on_damage!r}")
        self.cache = cache
        self.rows = _check_rows(rows, len(cache))
        self.sampler = choose_sampler(sampler, shuffle, len(self.rows))
        self.seed, self.rank, self.world = seed, rank, world
        self._samples = check_batch(self.sampler, batch_size, seed=seed, rank=rank, world=world)
        self.batch_size = min(batch_size, len(self.rows))
        self._stored = Graph(
            codec=cache.codec,
            source_size=cache.size,
            image_size=image_size,
            mean=_triple(mean),
            std=_triple(std),
            policy=policy_named(policy) if isinstance(policy, str) else policy,
            device=device,
            channels=cache.channels,
            centre=centre,
            dtype=dtype,
            layout=layout,
        )
        self.graph = self._stored.of_halves() if self._stored.halves_suffice else self._stored
        self._files = FileGuard(cache)
        cache.check_places()
        self.on_damage = on_damage
        self.skipped: dict[int, str] = {}
        self.next_batch = 0
        self._block = max(1, PLACES_DRAWN // self.batch_size)
        self._engine = Engine(self.graph, batch_size=self.batch_size, threads=threads)

    def __len__(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(self._samples, self.batch_size)
        return whole if self.sampler.training else whole + (rest > 0)

    def _order(self, epoch: int) -> Order:
        return epoch_order(self.sampler, epoch=epoch, seed=self.seed, rank=self.rank, world=self.world)

    def batch_rows(self, epoch: int, number: int) -> IntArray:
        """[b] rows of the cache that a batch consists of, damaged ones too, without reading any."""
        order = self._order(epoch)
        return self._rows_of(order, self._places(order, number))

    def _places(self, order: Order, number: int, count: int = 1) -> IntArray:
        """Places of this rank that some batches from one on consist of."""
        first = number * self.batch_size
        return np.arange(first, min(first + count * self.batch_size, len(order)))

    def _rows_of(self, order: Order, places: IntArray) -> IntArray:
        """Rows of the cache at places of this rank: looked up anew for each batch, as a list of those of an
        epoch would take 8 bytes for each."""
        return self.rows[order.samples_of(places)]

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; a pure function of the settings, the epoch and the batch's number.

        May be left before its end. Starting another epoch of the same loader ends this one.

        Args:
            epoch: 0 or more.
            start_batch: first batch to give; resuming here gives what an unbroken epoch would have given.

        Yields:
            Images, `dtype` [b, 3, image_size, image_size] on `device`, contiguous in `layout` and normalised,
            and their rows of the cache, int64 [b] on the CPU. The tensors are the receiver's: nothing writes
            to them later.

        Raises:
            ValueError: a stored crop does not decode, or to another size; names its key and place.
                With "skip": more than `MAX_SKIPPED` of the rows are so.
            CacheError: files of the cache were deleted, cut short or replaced.
        """
        return self._batches(self._engine.run, epoch, start_batch)

    def _batches(
        self, run: Callable[[Iterator[Inputs]], Iterator[T]], epoch: int, start_batch: int
    ) -> Iterator[tuple[T, torch.Tensor]]:
        """What `epoch` yields, with what `run` of the engine makes in place of the images."""
        self._files.check()
        order = self._order(epoch)
        if self.cache.address:
            self.cache.expect(self.rows[order.samples[start_batch * self.batch_size :]])
        drawn = lru_cache(maxsize=1)(partial(self._drawn, order, epoch))
        self.next_batch = start_batch
        while True:
            # Two of the same: the engine takes batches ahead of those given, perhaps on a thread of its own.
            plan, ahead = (self._plan(order, self.next_batch) for _ in range(2))
            batches: Iterator[Inputs] = (
                self._inputs(self._rows_of(order, places), drawn, places) for _, places in ahead
            )
            if self.graph is not self._stored:
                batches = decoded_ahead(batches, self.cache.size, self._engine.threads)
            try:
                for (number, places), images in zip(plan, run(batches), strict=True):
                    self.next_batch = number + 1
                    yield images, torch.from_numpy(self._rows_of(order, places))
            except Superseded:
                raise
            except RuntimeError as error:
                damaged: dict[int, str] = {}
                for _, places in islice(self._plan(order, self.next_batch), PREFETCH + 2):
                    rows = self._rows_of(order, places)
                    damaged |= damaged_among(self._stored, rows, self.cache.encoded(rows))
                if not damaged:
                    raise
                self._leave_out(damaged, error)
            else:
                return

    def _plan(self, order: Order, first: int) -> Iterator[tuple[int, IntArray]]:
        """Number and places of each batch from one on, without crops known to be damaged."""
        lost = np.fromiter(self.skipped, np.int64)
        for number in range(first, len(self)):
            at = self._places(order, number)
            kept = at[~np.isin(self._rows_of(order, at), lost)] if len(lost) else at
            if len(kept):
                yield number, kept

    def _drawn(self, order: Order, epoch: int, block: int) -> Parameters:
        """The parameters of the places in one block of `_block` batches: drawn for a whole epoch they would
        take 260 bytes for every row of the cache."""
        positions = order.positions_of(self._places(order, block * self._block, self._block))
        start = int(positions[0]) // 2 * 2
        count = int(positions[-1]) + 1 - start
        draws = draw(self.graph.policy, count, epoch=epoch, seed=self.seed, start=start)
        return self.graph.parameters(draws.at(positions - start))

    def _inputs(self, rows: IntArray, drawn: Callable[[int], Parameters], places: IntArray) -> Inputs:
        """A batch of these rows, which stand at these places of this rank."""
        block = int(places[0]) // (self._block * self.batch_size)
        within = places - block * self._block * self.batch_size
        return [self.cache.encoded(rows), *(values[within] for values in drawn(block).values())]

    def _leave_out(self, damaged: dict[int, str], error: RuntimeError) -> None:
        """Count damaged rows as skipped.

        Raises:
            ValueError: damage is not to be skipped, or there is too much of it.
        """
        if self.on_damage == "stop":
            raise refused(self.cache, damaged) from error
        self.skipped |= damaged
        rows = len(np.unique(self.rows))
        if len(self.skipped) > max(1, MAX_SKIPPED * rows):
            raise too_much(self.cache, damaged, skipped=len(self.skipped), rows=rows) from error


def check_batch(sampler: Sampler, batch_size: int, *, seed: int = 0, rank: int = 0, world: int = 1) -> int:
    """Samples that an epoch gives a rank.

    Raises:
        ValueError: a training batch is larger.
    """
    samples = len(epoch_order(sampler, epoch=0, seed=seed, rank=rank, world=world))
    if sampler.training and batch_size > samples:
        share = f" for each of {world} processes" if world > 1 else ""
        raise ValueError(
            f"batch_size={batch_size}: an epoch of these {sampler.rows} training rows has only "
            f"{samples} samples{share}; choose a batch_size of at most {samples}, or more rows"
        )
    return samples


def _check_rows(rows: ArrayLike, count: int) -> IntArray:
    checked = np.array(rows, np.int64).reshape(-1)
    if not len(checked):
        raise ValueError("no rows to load: the selection of the cache is empty")
    if checked.min() < 0 or checked.max() >= count:
        raise ValueError(f"rows must be in 0 to {count - 1}, got {checked.min()} to {checked.max()}")
    return checked


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
