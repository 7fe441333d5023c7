"""torchvision's v2 transforms of PIL images in a DataLoader, as most people train."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from bench.loaders.task import MEAN, STD, Epoch, Task
from faces.cache.reader import Cache
from pipeline.augment import Policy, policy_named


def torchvision_transforms(
    policy: Policy, image_size: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD
) -> v2.Compose:
    """The policy in torchvision's v2 transforms of PIL images.

    Unlike ours it resamples twice, fills corners with black, centres contrast on the image's own mean,
    shuffles the colour operators and clips after each. What a policy leaves out has no transform.
    """
    colour = (policy.brightness, policy.contrast, policy.saturation, policy.hue / 360)
    steps: list[Any] = [
        v2.RandomResizedCrop(image_size, policy.crop_area, policy.crop_aspect),
        v2.RandomRotation(policy.rotation, v2.InterpolationMode.BILINEAR),
    ]
    steps += [v2.ColorJitter(*colour)] if policy.changes_colour else []
    steps += [
        v2.RandomHorizontalFlip(policy.flip),
        v2.PILToTensor(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(list(mean), list(std)),
    ]
    steps += [v2.RandomErasing(policy.erase, policy.erase_area, policy.erase_aspect)] if policy.erase else []
    return v2.Compose(steps)


def open_jpeg(data: bytes) -> Image.Image:
    """Decoded by PIL, RGB."""
    return Image.open(io.BytesIO(data)).convert("RGB")


class CacheFiles(Dataset[torch.Tensor]):
    """The JPEG crops of a cache, transformed.

    Args:
        folder: a finished cache whose codec is jpeg; opened where it is used, in the worker.
        transform: from a file's bytes to a float32 tensor [3, H, W].
        count: number of crops.
    """

    def __init__(self, folder: Path, transform: Any, count: int) -> None:
        self.folder, self.transform, self.count = folder, transform, count
        self._cache: Cache | None = None

    def __len__(self) -> int:
        """Number of crops."""
        return self.count

    def __getitem__(self, row: int) -> torch.Tensor:
        """One transformed crop, float32 [3, H, W]."""
        if self._cache is None:
            self._cache = Cache.open(self.folder)
        (data,) = self._cache.encoded(np.array([row]))
        tensor: torch.Tensor = self.transform(data.tobytes())
        return tensor


def data_loader(dataset: Dataset[torch.Tensor], task: Task) -> DataLoader[Any]:
    """A DataLoader as one would write it, its workers kept between epochs."""
    return DataLoader(
        dataset,
        batch_size=task.batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=task.workers,
        persistent_workers=True,
    )


def count_images(batches: Any) -> int:
    """Take every batch; how many images they were."""
    return sum(len(batch) for batch in batches)


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    transforms = torchvision_transforms(policy_named(task.policy), task.image_size)
    files = CacheFiles(task.jpeg, lambda data: transforms(open_jpeg(data)), task.images)
    loader = data_loader(files, task)
    return lambda: count_images(loader)
