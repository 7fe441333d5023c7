"""A yardstick: every JPEG crop decoded once by libjpeg-turbo on one thread, and nothing else."""

from __future__ import annotations

import numpy as np
import simplejpeg

from bench.loaders.task import Epoch, Task
from faces.cache.reader import Cache


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    files = Cache.open(task.jpeg).encoded(np.arange(task.images))

    def epoch() -> int:
        for data in files:
            simplejpeg.decode_jpeg(data)
        return len(files)

    return epoch
