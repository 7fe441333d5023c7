"""The same images in the formats that several networks take, from one decoding of each crop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from numpy.typing import ArrayLike

from faces.cache.reader import Cache
from pipeline.definition import Device
from pipeline.engine import Engine
from pipeline.loader import Loader


@dataclass(frozen=True, kw_only=True)
class InputFormat:
    """How a network takes its images."""

    image_size: int
    """Side of the images, pixels; at least 16."""
    mean: tuple[float, float, float]
    """Mean of R, G and B in 0 to 1 units, as timm gives it."""
    std: tuple[float, float, float]
    """Standard deviation of R, G and B in 0 to 1 units, as timm gives it."""
    centre: float = 1.0
    """Share of the stored crop's side that the centre crop keeps, in [0.25, 1]."""


class MultiFormatLoader(Loader):
    """Batches of images without augmentation, each in several formats; every row once, in the order given.

    The tensors are those that a `Loader` for each format would give, bit for bit. They are in channels_last.

    Args:
        cache: the finished cache to read.
        rows: [n] row numbers of the cache; may repeat.
        formats: at least one, each once.
        batch_size: images a batch.
        device: "cpu", or "gpu" for the current CUDA device.
        threads: CPU threads of DALI, beside torch's.

    Raises:
        ValueError: as `Loader`, of any of the formats.
        CacheError: as `Loader`.
    """

    def __init__(
        self,
        cache: Cache,
        rows: ArrayLike,
        formats: Sequence[InputFormat],
        *,
        batch_size: int,
        device: Device = "cpu",
        threads: int = 1,
    ) -> None:
        first, *others = formats
        super().__init__(
            cache,
            rows,
            **vars(first),
            batch_size=batch_size,
            layout="channels_last",
            device=device,
            threads=threads,
        )
        graphs = [replace(self.graph, **vars(other)) for other in others]
        self._engine = Engine(self.graph, batch_size=self.batch_size, threads=threads, others=graphs)

    def batches(self) -> Iterator[tuple[list[torch.Tensor], torch.Tensor]]:
        """All batches: what `Loader.epoch` yields, with a tensor of images for each format, in order."""
        return self._batches(self._engine.run_all, 0, 0)
