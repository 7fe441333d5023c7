"""JPEG crops decoded at half their size: libjpeg then computes a quarter of the pixels.

Its inverse cosine transform makes 4 x 4 pixels of 8 x 8 coefficients, which is as good as a resize with
antialiasing. DALI's decoder does not offer that, so OpenCV's decodes ahead of DALI, which gets raw pixels.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Crops = list[NDArray[np.uint8]]

_HALF_RGB = cv2.IMREAD_REDUCED_GRAYSCALE_2 | cv2.IMREAD_COLOR_RGB
"""The first of the two is the factor of the size alone; OpenCV has no name for it in RGB."""
_END = b"\xff\xd9"
"""Last bytes of a JPEG file that is whole. OpenCV pads others with grey and says nothing."""


def decoded_ahead(batches: Iterator[list[Any]], side: int, threads: int) -> Iterator[list[Any]]:
    """The batches with their first element, crops as JPEG files, decoded to uint8 [side / 2, side / 2, 3].

    What does not decode to a square of `side` becomes one black pixel, at which the engine takes offence.

    Args:
        batches: taken somewhat ahead of those given.
        side: of the whole crops, even, pixels.
        threads: that decode, a batch each.
    """
    waiting: deque[tuple[Future[Crops], list[Any]]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="halves") as pool:
        for crops, *numbers in batches:
            waiting.append((pool.submit(_all_halves, crops, side), numbers))
            if len(waiting) > threads:
                decoded, beside = waiting.popleft()
                yield [decoded.result(), *beside]
        for decoded, beside in waiting:
            yield [decoded.result(), *beside]


def _all_halves(crops: Crops, side: int) -> Crops:
    return [_half(crop, side) for crop in crops]


def _half(crop: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    try:
        if _sides(crop) == (side, side) and crop[-2:].tobytes() == _END:
            pixels = cv2.imdecode(crop, _HALF_RGB)
        else:  # another decoder may forgive what is odd, but not a file that ends too early
            image = Image.open(io.BytesIO(crop.tobytes())).convert("RGB")
            pixels = np.array(image.reduce(2)) if image.size == (side, side) else None
    except Exception:  # the decoders' errors share no narrower class
        pixels = None
    return np.zeros((1, 1, 3), np.uint8) if pixels is None else pixels.astype(np.uint8, copy=False)


def _sides(crop: NDArray[np.uint8]) -> tuple[int, int]:
    """Height and width by the frame header of a JPEG file (ITU T.81, B.2.2); (0, 0) where there is none."""
    at = 2
    while at + 9 <= len(crop) and crop[at] == 0xFF:
        if 0xC0 <= crop[at + 1] <= 0xC2:  # baseline, extended or progressive
            high, low, wide, narrow = map(int, crop[at + 5 : at + 9])
            return 256 * high + low, 256 * wide + narrow
        at += 2 + 256 * int(crop[at + 2]) + int(crop[at + 3])
    return 0, 0
