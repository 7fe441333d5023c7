"""The work of a rival."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faces.cache.schema import Codec

MEAN: Final = (0.485, 0.456, 0.406)
STD: Final = (0.229, 0.224, 0.225)
"""Mean and standard deviation of ImageNet's R, G and B, in 0 to 1 units."""

Epoch = Callable[[], int]
"""Makes every batch of one epoch as torch tensors and returns the number of images in them."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """The same for every rival but for the number of crops, the codec and the folder."""

    jpeg: Path
    """A finished cache of `images` JPEG crops, in several shards."""
    raw: Path
    """A finished cache of raw crops, at least `images` of them."""
    codec: Codec
    """Which of the two this rival starts from."""
    folder: Path
    """Where the rival may write the crops in a format of its own; kept between policies."""
    images: int
    """Crops an epoch."""
    crop: int
    """Side of a stored crop, pixels."""
    image_size: int
    """Side of the images made, pixels."""
    batch_size: int
    """Images a batch."""
    workers: int
    """Worker processes, or threads where the library works in threads."""
    policy: str
    """Name of the augmentation policy."""
