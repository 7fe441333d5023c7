"""FFCV 1 with its own compiled operations on raw crops; it has no rotation and no hue."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.loaders.task import MEAN, STD, Epoch, Task
from faces.cache.reader import Cache
from pipeline.augment import policy_named


class _Pixels:
    """What FFCV's writer reads."""

    def __init__(self, cache: Cache, count: int) -> None:
        self.cache, self.count = cache, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        return tuple(self.cache.encoded(np.array([row])))


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    from ffcv.fields import RGBImageField
    from ffcv.fields.rgb_image import RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import (
        Cutout,
        NormalizeImage,
        RandomBrightness,
        RandomContrast,
        RandomHorizontalFlip,
        RandomSaturation,
        ToTensor,
        ToTorchImage,
    )
    from ffcv.writer import DatasetWriter

    policy, side = policy_named(task.policy), task.image_size
    beton = task.folder / "crops.beton"
    if not beton.is_file():
        writer = DatasetWriter(str(beton), {"image": RGBImageField(write_mode="raw")}, num_workers=1)
        writer.from_indexed_dataset(_Pixels(Cache.open(task.raw), task.images))
    steps = [
        RandomResizedCropRGBImageDecoder((side, side), policy.crop_area, policy.crop_aspect),
        RandomHorizontalFlip(policy.flip),
    ]
    if policy.changes_colour:
        steps += [
            RandomBrightness(policy.brightness, 1.0),
            RandomContrast(policy.contrast, 1.0),
            RandomSaturation(policy.saturation, 1.0),
        ]
    if policy.erase:  # it blanks a square in every image
        area = sum(policy.erase_area) / 2
        steps.append(Cutout(round(side * area**0.5), tuple(round(255 * level) for level in MEAN)))
    normalise = NormalizeImage(255 * np.array(MEAN), 255 * np.array(STD), np.float32)
    loader = Loader(
        str(beton),
        batch_size=task.batch_size,
        num_workers=task.workers,
        order=OrderOption.RANDOM,
        os_cache=True,
        drop_last=True,
        pipelines={"image": [*steps, normalise, ToTensor(), ToTorchImage()]},
    )
    return lambda: sum(len(images) for (images,) in loader)
