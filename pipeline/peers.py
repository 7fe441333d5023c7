"""Other libraries' loaders, for comparison only: the same crops, augmented as alike as they allow."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from faces.cache import Cache
from pipeline.augment import Policy


def torchvision_transforms(
    policy: Policy, image_size: int, mean: Sequence[float], std: Sequence[float]
) -> v2.Compose:
    """The policy in torchvision's v2 transforms of PIL images.

    Unlike ours it resamples twice, centres contrast on the image's own mean, shuffles the colour operators
    and clips after each.
    """
    low, high = policy.erase_aspect
    return v2.Compose(
        [
            v2.RandomResizedCrop(image_size, policy.crop_area, policy.crop_aspect),
            v2.RandomRotation(policy.rotation, v2.InterpolationMode.BILINEAR),
            v2.ColorJitter(policy.brightness, policy.contrast, policy.saturation, policy.hue / 360),
            v2.RandomHorizontalFlip(policy.flip),
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(list(mean), list(std)),
            v2.RandomErasing(policy.erase, policy.erase_area, (low, high)),
        ]
    )


class CacheFiles(Dataset[torch.Tensor]):
    """The JPEG crops of a cache, decoded by PIL and transformed.

    Args:
        folder: a finished cache whose codec is jpeg; opened where it is used, in the worker.
        transform: from a PIL image to a tensor.
        count: number of crops.
    """

    def __init__(self, folder: Path, transform: v2.Compose, count: int) -> None:
        self.folder, self.transform, self.count = folder, transform, count
        self._cache: Cache | None = None

    def __len__(self) -> int:
        """Number of crops."""
        return self.count

    def __getitem__(self, row: int) -> torch.Tensor:
        """One transformed crop, float32 [3, H, W]."""
        if self._cache is None:
            self._cache = Cache.open(self.folder)
        (data,) = self._cache.encoded(torch.tensor([row]).numpy())
        tensor: torch.Tensor = self.transform(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))
        return tensor


def torchvision_loader(
    cache: Cache, transform: v2.Compose, *, batch_size: int, workers: int
) -> DataLoader[Any]:
    """A DataLoader as one would write it, its workers kept between epochs.

    Workers are spawned: a forked one may inherit a lock that one of DALI's threads holds.
    """
    return DataLoader(
        CacheFiles(cache.folder, transform, len(cache)),
        batch_size=batch_size,
        shuffle=True,
        drop_last=len(cache) >= batch_size,
        num_workers=workers,
        persistent_workers=True,
        multiprocessing_context="spawn",
    )


def synthetic_batches(count: int, batch_size: int, image_size: int) -> int:
    """Copy one ready batch again and again to the same place: what merely writing the batches costs.

    Returns:
        Images copied: whole batches of about `count` images.
    """
    batch = torch.zeros(batch_size, 3, image_size, image_size)
    place = torch.ones_like(batch)
    batches = math.ceil(count / batch_size)
    for _ in range(batches):
        place.copy_(batch)
    return batches * batch_size
