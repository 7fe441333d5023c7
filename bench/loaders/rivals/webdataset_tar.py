"""webdataset: our own cache's tar shards read in sequence, shuffled in a buffer, torchvision's transforms."""

from __future__ import annotations

from torch.utils.data import DataLoader

from bench.loaders.rivals.torchvision_pil import count_images, open_jpeg, torchvision_transforms
from bench.loaders.task import Epoch, Task
from pipeline.augment import policy_named

BUFFER = 256
"""Crops among which the next is chosen."""


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    import webdataset

    transforms = torchvision_transforms(policy_named(task.policy), task.image_size)
    shards = sorted(str(path) for path in (task.jpeg / "shards").glob("*.tar"))
    samples = webdataset.WebDataset(shards, shardshuffle=len(shards)).shuffle(BUFFER)
    images = samples.to_tuple("jpg").map_tuple(lambda data: transforms(open_jpeg(data)))
    batches = images.batched(task.batch_size, partial=False)
    loader = DataLoader(batches, batch_size=None, num_workers=task.workers, persistent_workers=True)
    return lambda: count_images(images for (images,) in loader)
