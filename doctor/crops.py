"""Crops to try a machine with: smooth colours under noise, so that decoding and resampling both show."""

from __future__ import annotations

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 256
Crop = NDArray[np.uint8]


def draw_crops(count: int, seed: int = 0) -> list[Crop]:
    """Different crops, uint8 [SIZE, SIZE, 3]; the first ones are the same for any count."""
    crops = []
    for number in range(count):
        random = np.random.default_rng((seed, number))
        colours = random.uniform(20, 235, (6, 6, 3)).astype(np.float32)
        smooth = cv2.resize(colours, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        crops.append((smooth + random.normal(0, 5, smooth.shape)).clip(0, 255).astype(np.uint8))
    return crops


def with_alpha(crop: Crop) -> Crop:
    """The crop as a person cut out of it: uint8 [SIZE, SIZE, 4], opaque within a circle with a soft edge."""
    distance = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) / SIZE
    alpha = (255 * (0.5 - distance) / 0.15).clip(0, 255).astype(np.uint8)
    return np.concatenate([crop, alpha[..., None]], axis=2)


def encoded(crop: Crop, kind: str) -> Crop:
    """The bytes of a JPEG (quality 95, as caches have) or PNG file, uint8 [n]."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return np.frombuffer(buffer.getvalue(), np.uint8)
