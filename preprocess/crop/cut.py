"""Cuts a square out of a photo, at one size."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.framing.square import Square
from faces.labels import IntArray
from preprocess.crop.square import distances_outside, true_share
from preprocess.settings import Border

Floats = NDArray[np.float32]
FADE = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4)
"""Distances beyond the photo, in sides of the crop, at which the stages of a fading border are reached."""
BLURRED = 2.0
"""Standard deviation of `soften`, in pixels of the reduced picture that it blurs."""


def cut(pixels: NDArray[np.uint8], square: Square, size: int, border: Border = "blur") -> NDArray[np.uint8]:
    """The square of a photo, upright.

    Shrinking is linear with antialiasing: a box filter (OpenCV's INTER_AREA) aliases at the ratios of 1 to 2
    that are usual here, and DALI's antialiased linear, which resizes these crops again in training, is the
    same filter. A square on whole pixels that lies upright, or turned by quarters, is resampled once.

    Args:
        pixels: uint8 [height, width, 3], or a mask [height, width].
        square: what to cut.
        size: side of the crop, in pixels.
        border: what lies beyond the photo. Its border pixels, the more blurred the farther outside, up to a
            standard deviation of an eighth of the crop; repeated alone they smear, and a reflection gives a
            cropped head a second ear. Its border pixels repeated. Or its mirror image, as often as is needed.

    Returns:
        uint8 [size, size, 3], or [size, size] of a mask.
    """
    whole = square.angle % 90 == 0 and all(float(value).is_integer() for value in square)
    crop = _cut_whole(pixels, square, size, border) if whole else _cut_turned(pixels, square, size, border)
    return _fade(crop, square, pixels.shape[:2]) if border == "blur" else crop


def _cut_whole(pixels: Any, square: Square, size: int, border: Border) -> NDArray[np.uint8]:
    left, top, right, bottom = (int(edge) for edge in square.box)
    inside = _region(pixels, left, top, right, bottom, border)
    # Turned first: Pillow rounds between rows and columns, so that it is not the same afterwards.
    upright = np.ascontiguousarray(np.rot90(inside, int(square.angle) // 90))
    if square.side == size:
        return upright
    return np.array(Image.fromarray(upright).resize((size, size), Image.Resampling.BILINEAR))


def _cut_turned(pixels: Any, square: Square, size: int, border: Border) -> NDArray[np.uint8]:
    """Two steps where it shrinks: to the crop's scale, antialiased, then turned; else one, linear."""
    step = square.side / size
    cos, sin = math.cos(math.radians(square.angle)), math.sin(math.radians(square.angle))
    # As many pixels as the turned crop covers, and so many that without a turn they are the crop's own.
    count = size + 2 * math.ceil(size * (abs(cos) + abs(sin) - 1) / 2 + 1)
    x, y = square.centre
    reach = count * max(step, 1) / 2
    spare = math.ceil(max(step, 1)) + 1  # what the filter of the outermost pixels sees
    left, top = math.floor(x - reach) - spare, math.floor(y - reach) - spare
    right, bottom = math.ceil(x + reach) + spare, math.ceil(y + reach) + spare
    region = np.ascontiguousarray(_region(pixels, left, top, right, bottom, border))
    x, y = x - left, y - top
    if step > 1:
        box = (x - reach, y - reach, x + reach, y + reach)
        region = np.array(Image.fromarray(region).resize((count, count), Image.Resampling.BILINEAR, box))
        x = y = count / 2
        step = 1.0
    turn = step * np.array([[cos, -sin], [sin, cos]])
    # OpenCV counts from the middle of the first pixel.
    shift = np.array([x, y]) - 0.5 - turn @ np.full(2, (size - 1) / 2)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = np.column_stack([turn, shift])
    return np.asarray(cv2.warpAffine(region, matrix, (size, size), flags=flags), np.uint8)


def _region(pixels: Any, left: int, top: int, right: int, bottom: int, border: Border) -> NDArray[np.uint8]:
    """Part of a photo, with what lies beyond it mirrored or repeated."""
    height, width = pixels.shape[:2]
    if min(left, top) >= 0 and right <= width and bottom <= height:
        part: NDArray[np.uint8] = pixels[top:bottom, left:right]
        return part
    rows, columns = _places(top, bottom, height, border), _places(left, right, width, border)
    first = rows.min()
    band = pixels[first : rows.max() + 1]
    # Columns picked one by one are slow, so only those beyond the photo are.
    before = min(max(-left, 0), len(columns))
    after = len(columns) - min(max(right - width, 0), len(columns) - before)
    parts = band[:, columns[:before]], band[:, left + before : left + after], band[:, columns[after:]]
    return np.asarray(np.concatenate(parts, axis=1)[rows - first])


def _places(start: int, end: int, length: int, border: Border) -> IntArray:
    """Rows or columns to show: of 3, `reflect` shows -4 to 4 as 0 1 2 1 0 1 2 1 (OpenCV's REFLECT_101)."""
    places = np.arange(start, end)
    if border != "reflect" or length == 1:
        return places.clip(0, length - 1)
    places %= 2 * (length - 1)
    return np.minimum(places, 2 * (length - 1) - places)


def _fade(crop: NDArray[np.uint8], square: Square, shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Blur a crop the more, the farther outside the photo of that shape; what is inside stays as it is."""
    if true_share(square, *shape) == 1:
        return crop
    distance = distances_outside(square, len(crop), *shape)
    stages = [crop.astype(np.float32), *(soften(crop, detail) for detail in (128, 64, 32, 16))]
    stage = np.interp(distance, FADE, range(len(FADE)))
    faded = np.zeros_like(stages[0])
    for number, blurred in enumerate(stages):
        weight = np.clip(1 - np.abs(stage - number), 0, 1).astype(np.float32)
        faded += blurred * weight.reshape(weight.shape + (1,) * (crop.ndim - 2))
    return np.rint(faded).astype(np.uint8)


def soften(picture: NDArray[Any], detail: int) -> Floats:
    """A strong blur of a square picture: a Gaussian with a standard deviation of `BLURRED / detail` sides.

    Reckoned on a copy of `detail` pixels a side (or the picture's own, if fewer), so that it costs little.

    Args:
        picture: [size, size] or [size, size, channels], of any scale.
        detail: side of the copy.

    Returns:
        float32 of the picture's shape.
    """
    size = len(picture)
    side = min(detail, size)
    small = cv2.resize(picture.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    deviation = BLURRED * side / detail
    small = cv2.GaussianBlur(small, (0, 0), deviation, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
