"""Albumentations 2 (MIT, no longer maintained) after simplejpeg, in a DataLoader.

Its successor AlbumentationsX is under the AGPL and so not for everyone's training code.
"""

from __future__ import annotations

import os

import cv2
import torch

from bench.loaders.rivals.torchvision_pil import CacheFiles, count_images, data_loader
from bench.loaders.task import MEAN, STD, Epoch, Task
from pipeline.augment import policy_named


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for a newer version
    import albumentations as A
    import simplejpeg
    from albumentations.pytorch import ToTensorV2

    policy, side = policy_named(task.policy), task.image_size
    colour = (policy.brightness, policy.contrast, policy.saturation, policy.hue / 360)
    steps = [
        A.RandomResizedCrop((side, side), policy.crop_area, policy.crop_aspect),
        A.Rotate(policy.rotation, border_mode=cv2.BORDER_REFLECT_101, p=1),
        A.HorizontalFlip(p=policy.flip),
    ]
    steps += [A.ColorJitter(*colour, p=1)] if policy.changes_colour else []
    fill = tuple(round(255 * level) for level in MEAN)
    if policy.erase:
        steps.append(A.Erasing(policy.erase_area, policy.erase_aspect, fill=fill, p=policy.erase))
    transform = A.Compose([*steps, A.Normalize(MEAN, STD), ToTensorV2()])

    def from_bytes(data: bytes) -> torch.Tensor:
        image: torch.Tensor = transform(image=simplejpeg.decode_jpeg(data))["image"]
        return image

    loader = data_loader(CacheFiles(task.jpeg, from_bytes, task.images), task)
    return lambda: count_images(loader)
