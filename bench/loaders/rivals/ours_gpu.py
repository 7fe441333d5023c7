"""Our loader on the GPU: an epoch ends when the GPU has made its last image."""

from __future__ import annotations

import torch

from bench.loaders.rivals import ours
from bench.loaders.task import Epoch, Task


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    epoch = ours.open_rival(task, "gpu")

    def synchronised() -> int:
        images = epoch()
        torch.cuda.synchronize()
        return images

    return synchronised
