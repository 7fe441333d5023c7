"""The hand-written OpenCV loader in SPDL's pipeline: threads, a whole batch each, written where it stays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from spdl.pipeline import PipelineBuilder

from bench.loaders.rivals.opencv import Crops
from bench.loaders.task import Epoch, Task

AHEAD = 2
"""Ready batches that may wait."""


def open_rival(task: Task, *, reuse: bool = False) -> Epoch:
    """The epoch function.

    Args:
        task: what is to be done.
        reuse: write into the memory of batches given out before. That saves the kernel from clearing new
            pages for every batch, but a batch holds only until a few more were taken.
    """
    crops, epochs, made = Crops(task), count(), count()
    shape = (task.batch_size, 3, task.image_size, task.image_size)
    used = [torch.zeros(shape) for _ in range(AHEAD + 2 * task.workers + 1)] if reuse else []

    def batches() -> Iterator[NDArray[np.int64]]:
        order = np.random.default_rng(next(epochs)).permutation(len(crops))
        for at in range(0, len(order) - task.batch_size + 1, task.batch_size):
            yield order[at : at + task.batch_size]

    def make(rows: NDArray[np.int64]) -> torch.Tensor:
        images = used[next(made) % len(used)] if reuse else torch.empty(shape)
        for row, out in zip(rows, images.numpy(), strict=True):
            crops.fill(int(row), out)
        return images

    def epoch() -> int:
        builder = PipelineBuilder().add_source(batches()).pipe(make, concurrency=task.workers)
        pipeline = builder.add_sink(AHEAD).build(num_threads=task.workers)
        with pipeline.auto_stop():
            return sum(len(images) for images in pipeline.get_iterator())

    return epoch
