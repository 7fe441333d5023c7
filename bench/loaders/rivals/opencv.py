"""The best that one would write by hand: one OpenCV warp and one colour matrix an image.

It does the work of our own loader with the same numbers. They are drawn once, before the clock runs, and used
in every epoch: an image costs it no drawing at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from bench.loaders.rivals.torchvision_pil import count_images, data_loader
from bench.loaders.task import MEAN, STD, Epoch, Task
from faces.cache.reader import Cache
from pipeline.augment import policy_named
from pipeline.augmentations.colour import jitter_matrices
from pipeline.augmentations.erase import erase_boxes
from pipeline.augmentations.geometry import warp_matrices
from pipeline.definition import FloatArray
from pipeline.draws import draw
from pipeline.operators.matrices import normalisation, normalised

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Numbers:
    """What happens to each of n images."""

    image_size: int
    warp: FloatArray
    """[n, 2, 3], from output to source pixels."""
    colour: FloatArray
    """[n, 3, 4], with the normalisation."""
    boxes: NDArray[np.int64]
    """[n, 4]: top, left, bottom and right of what is blanked; empty where nothing is."""


def numbers_of(policy_name: str, n: int, *, crop: int, image_size: int) -> Numbers:
    """Those of our own loader, at seed 0 and epoch 0.

    Args:
        policy_name: of the policy.
        n: number of images.
        crop: side of the stored crops, pixels.
        image_size: side of the images made, pixels.
    """
    policy = policy_named(policy_name)
    draws = draw(policy, n, epoch=0, seed=0)
    plain = np.broadcast_to(normalisation(MEAN, STD), (n, 3, 4))
    corner, extent = erase_boxes(draws, image_size)
    return Numbers(
        image_size=image_size,
        warp=np.ascontiguousarray(warp_matrices(draws, crop, image_size)[:, :2]),
        colour=normalised(jitter_matrices(draws), MEAN, STD) if policy.changes_colour else plain,
        boxes=np.concatenate([corner, corner + extent], 1).astype(np.int64),
    )


def transform(pixels: Pixels, numbers: Numbers, row: int, out: FloatArray) -> None:
    """Warp, blank, change colour and normalise one image.

    Args:
        pixels: uint8 [crop, crop, 3], RGB.
        numbers: of all images.
        row: which of them this is.
        out: float32 [3, image_size, image_size], filled.
    """
    side = numbers.image_size
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    border = cv2.BORDER_REFLECT_101
    image = cv2.warpAffine(pixels, numbers.warp[row], (side, side), flags=flags, borderMode=border)
    top, left, bottom, right = numbers.boxes[row]
    if bottom > top:
        image[top:bottom, left:right] = [round(255 * level) for level in MEAN]
    # Of uint8 it would make uint8 again.
    cv2.split(cv2.transform(image.astype(np.float32), numbers.colour[row]), list(out))


class Crops(Dataset[torch.Tensor]):
    """Transformed crops of a cache, JPEG (decoded by OpenCV's libjpeg-turbo) or raw (memory-mapped)."""

    def __init__(self, task: Task) -> None:
        self.cache = Cache.open(task.raw if task.codec == "raw" else task.jpeg)
        self.numbers = numbers_of(task.policy, task.images, crop=task.crop, image_size=task.image_size)
        self.raw = task.codec == "raw"

    def __len__(self) -> int:
        """Number of crops."""
        return len(self.numbers.warp)

    def fill(self, row: int, out: FloatArray) -> None:
        """Make one image, float32 [3, image_size, image_size], in `out`."""
        (data,) = self.cache.encoded(np.array([row]))
        pixels = data if self.raw else cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
        transform(np.asarray(pixels, np.uint8), self.numbers, row, out)

    def __getitem__(self, row: int) -> torch.Tensor:
        """One image, float32 [3, image_size, image_size]."""
        out = torch.empty(3, self.numbers.image_size, self.numbers.image_size)
        self.fill(row, out.numpy())
        return out


def open_rival(task: Task) -> Epoch:
    """The epoch function."""
    loader = data_loader(Crops(task), task)
    return lambda: count_images(loader)
