"""Batches of a cache as torch tensors: our order and draws, DALI's threads and pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from faces.cache import Cache
from faces.labels import IntArray
from pipeline.augment import FloatArray, Policy, draw, policy_named
from pipeline.engine import PREFETCH, Engine, Inputs
from pipeline.graph import Device, Graph
from pipeline.order import Order, check_weights, epoch_order

Batch = tuple[torch.Tensor, torch.Tensor]


class Loader:
    """Batches of some rows of a cache, epoch by epoch.

    For training (`shuffle` or `weights`) a short last batch is dropped unless it is the only one: it would
    weigh its few samples more, and batch norm fails on one. Otherwise every row comes exactly once, in the
    order given, and the last batch is short.

    Args:
        cache: the finished cache to read.
        rows: [n] row numbers of the cache; may repeat.
        batch_size: images a batch, of this rank.
        image_size: side of the images, pixels; at least 16.
        mean: of R, G and B in 0 to 1 units, as timm gives it.
        std: of R, G and B in 0 to 1 units, as timm gives it.
        policy: augmentation, or the name of one of `POLICIES`.
        seed: orders and augments; 0 or more.
        shuffle: permute the rows anew each epoch.
        weights: [n] sampling weights of any scale: each epoch is n draws with replacement.
        device: "cpu", or "gpu" for the current CUDA device.
        threads: CPU threads of DALI, beside torch's.
        rank: this process, 0 to world - 1.
        world: number of processes.

    Raises:
        ValueError: an argument out of its range, or a cache of cut-out crops.
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
        seed: int = 0,
        shuffle: bool = False,
        weights: ArrayLike | None = None,
        device: Device = "cpu",
        threads: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("threads", threads)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if cache.channels == 4:
            raise ValueError(
                f"{cache.folder}: cut-out crops (background alpha) cannot be trained on yet; preprocess into "
                "another folder beside it with --background white, grey, mean or blur (the faces found are "
                "taken over)"
            )
        self.cache = cache
        self.rows = _check_rows(rows, len(cache))
        self.weights = None if weights is None else check_weights(weights, len(self.rows))
        self.seed, self.shuffle, self.rank, self.world = seed, shuffle, rank, world
        self.batch_size = min(batch_size, len(self.rows))
        self.graph = Graph(
            codec=cache.codec,
            source_size=cache.size,
            image_size=image_size,
            mean=_triple(mean),
            std=_triple(std),
            policy=policy_named(policy) if isinstance(policy, str) else policy,
            device=device,
        )
        self._engine = Engine(self.graph, batch_size=self.batch_size, threads=threads)
        self._length = self._count_batches(len(self._order(0).positions))

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._length

    def _count_batches(self, samples: int) -> int:
        training = self.shuffle or self.weights is not None
        whole, rest = divmod(samples, self.batch_size)
        return whole if training and whole else whole + (rest > 0)

    def _order(self, epoch: int) -> Order:
        return epoch_order(
            len(self.rows),
            epoch=epoch,
            seed=self.seed,
            shuffle=self.shuffle,
            weights=self.weights,
            rank=self.rank,
            world=self.world,
        )

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of one epoch; a pure function of the settings, the epoch and the batch's number.

        May be left before its end. Starting another epoch of the same loader ends this one.

        Args:
            epoch: 0 or more.
            start_batch: first batch to give; resuming here gives what an unbroken epoch would have given.

        Yields:
            Images, float32 [b, 3, image_size, image_size] on `device`, contiguous and normalised, and their
            rows of the cache, int64 [b] on the CPU. The tensors are the receiver's: nothing writes to them
            later.

        Raises:
            ValueError: a stored crop cannot be decoded; the message names its key.
        """
        order = self._order(epoch)
        rows = self.rows[order.samples]
        draws = draw(self.graph.policy, order.total, epoch=epoch, seed=self.seed)
        parameters = self.graph.parameters(draws.at(order.positions))
        images = self._engine.run(self._inputs(rows, parameters, start_batch))
        for number in range(start_batch, len(self)):
            at = number * self.batch_size
            try:
                batch = next(images)
            except RuntimeError as error:
                culprits = self._broken(rows[at : at + (1 + PREFETCH) * self.batch_size])
                if culprits:
                    raise ValueError(f"{self.cache.folder}: cannot decode crops {culprits}") from error
                raise
            yield batch, torch.from_numpy(rows[at : at + self.batch_size].copy())

    def _inputs(
        self, rows: IntArray, parameters: dict[str, FloatArray], start_batch: int
    ) -> Iterator[Inputs]:
        for number in range(start_batch, len(self)):
            part = slice(number * self.batch_size, (number + 1) * self.batch_size)
            yield [self.cache.encoded(rows[part]), *(values[part] for values in parameters.values())]

    def _broken(self, rows: IntArray) -> str:
        """Keys of those rows whose file does not decode, to say what DALI's own error leaves out."""
        if self.cache.codec == "raw":
            return ""
        keys = self.cache.index["key"].to_numpy()
        encoded = self.cache.encoded(rows)
        return ", ".join(str(keys[row]) for row, data in zip(rows, encoded, strict=True) if _damaged(data))


def _damaged(data: NDArray[np.uint8]) -> bool:
    try:
        Image.open(io.BytesIO(data.tobytes())).load()
    except (OSError, SyntaxError):
        return True
    return False


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
