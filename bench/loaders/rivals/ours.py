"""Our loader, on either device."""

from __future__ import annotations

from itertools import count

import numpy as np

from bench.loaders.task import MEAN, STD, Epoch, Task
from faces.cache.reader import Cache
from pipeline.definition import Device
from pipeline.loader import Loader


def open_rival(task: Task, device: Device = "cpu") -> Epoch:
    """The epoch function."""
    loader = Loader(
        Cache.open(task.raw if task.codec == "raw" else task.jpeg),
        np.arange(task.images),
        batch_size=task.batch_size,
        image_size=task.image_size,
        mean=MEAN,
        std=STD,
        policy=task.policy,
        shuffle=True,
        threads=task.workers,
        device=device,
    )
    epochs = count()
    return lambda: sum(len(images) for images, _ in loader.epoch(next(epochs)))
