"""Cuts the square around a face out of a photo, at one size."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faces.labels import IntArray
from preprocess.settings import Border

Floats = NDArray[np.float32]

RISE = 0.05
"""How far a crop's centre lies above the face box's, in sides of the box: the box leaves out the hair."""
CENTRE_SIDE, CENTRE_HEIGHT = 0.9, 0.45
"""Side of the crop without a detected face, as a part of the photo's shorter side, and height of its centre
as a part of the photo's, from the top."""
TEMPLATE = np.array([-0.181 - 0.072j, 0.181 - 0.072j, 0.144j, -0.169 + 0.290j, 0.169 + 0.290j])
"""Where an aligned face has its eyes, nose and corners of the mouth: x + iy from the crop's centre, in longer
sides of the face box. Medians over the detected faces of 300 portraits, made symmetric, so that aligned
crops show as much of a head as others: fitted to those faces, their side is 0.995 times that of the
unaligned crop in the median (0.80 to 1.13), and their centre lies 0.04 sides of the box away."""
LEAST_ALIGNED = 0.5
"""Landmarks that fit a face smaller than this part of its box are not taken for a face's."""
FADE = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4)
"""Distances beyond the photo, in sides of the crop, at which the stages of a fading border are reached."""
BLURRED = 2.0
"""Standard deviation of `soften`, in pixels of the reduced picture that it blurs."""


class Square(NamedTuple):
    """A square of a photo, in its pixels; may reach beyond it."""

    left: float
    """Place of its left edge before it is turned."""
    top: float
    """Place of its upper edge before it is turned."""
    side: float
    angle: float = 0.0
    """Degrees by which it is turned about its centre, clockwise as seen: that of the eyes' line, x to the
    right and y down."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom before it is turned."""
        left, top, side = float(self.left), float(self.top), float(self.side)
        return left, top, left + side, top + side

    @property
    def centre(self) -> tuple[float, float]:
        """x, y."""
        return self.left + self.side / 2, self.top + self.side / 2


def face_square(box: tuple[float, float, float, float], margin: float) -> Square:
    """The upright square crop around a face.

    Its side is that of the box's longer side with `margin` of it added at both ends; its centre is the
    box's, `RISE` higher. Whole pixels, so that an unscaled crop is a copy. The box (100, 80, 180, 180) with
    margin 0.25 gives side 150 around (140, 125): left 65, top 50.
    """
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    side = max(1, round(longer * (1 + 2 * margin)))
    centre_x, centre_y = (left + right) / 2, (top + bottom) / 2 - RISE * longer
    return Square(round(centre_x - side / 2), round(centre_y - side / 2), side)


def aligned_square(
    box: tuple[float, float, float, float], landmarks: tuple[float, ...], margin: float
) -> Square:
    """The square crop in which the landmarks of a face come to lie on `TEMPLATE`.

    The similarity (shift, turn, scale; never a mirror image) of least squares from the template to the
    photo (Umeyama 1991), which in the plane is a linear regression of complex numbers. Rounded to a tenth of
    a pixel and a hundredth of a degree, so that what is recorded is what was cut.

    Args:
        box: of the face; its square is taken where the landmarks do not look like a face, as when all are one
            point.
        landmarks: x, y of left eye, right eye (as seen), nose, left and right corner of the mouth.
        margin: as in `face_square`.
    """
    points = np.array(landmarks).reshape(5, 2) @ np.array([1, 1j])
    spread = TEMPLATE - TEMPLATE.mean()
    turn = complex((spread.conj() * (points - points.mean())).sum() / (np.abs(spread) ** 2).sum())
    if not abs(turn) >= LEAST_ALIGNED * max(box[2] - box[0], box[3] - box[1]):
        return face_square(box, margin)
    centre = complex(points.mean()) - turn * complex(TEMPLATE.mean())
    side = round(abs(turn) * (1 + 2 * margin), 1)
    angle = round(math.degrees(math.atan2(turn.imag, turn.real)), 2)
    return Square(round(centre.real - side / 2, 1), round(centre.imag - side / 2, 1), side, angle)


def centre_square(height: int, width: int) -> Square:
    """The crop where no face was found, inside the photo and about as large as crops of found faces.

    Measured on portraits of 384 x 512, the median crop of a detected face has a side of 1.02 widths around
    (0.50, 0.44) of the photo where the face fills it (2,027 photos), and 0.81 around (0.50, 0.47) where it
    does not (168 drawn people). Between them lies, for 384 x 512, side 346 at left 19, top 57.
    """
    side = max(1, round(CENTRE_SIDE * min(height, width)))
    top = round(CENTRE_HEIGHT * height - side / 2)
    return Square(round((width - side) / 2), min(max(top, 0), height - side), side)


def cut(pixels: NDArray[np.uint8], square: Square, size: int, border: Border = "repeat") -> NDArray[np.uint8]:
    """The square of a photo, upright.

    Shrinking is linear with antialiasing: a box filter (OpenCV's INTER_AREA) aliases at the ratios of 1 to 2
    that are usual here, and DALI's antialiased linear, which resizes these crops again in training, is the
    same filter. A square that lies upright on whole pixels is resampled once.

    Args:
        pixels: uint8 [height, width, 3], or a mask [height, width].
        square: what to cut.
        size: side of the crop, in pixels.
        border: what lies beyond the photo. Its border pixels repeated, which is the default: a reflection
            gives a cropped head a second ear. Its mirror image, as often as is needed. Or the border pixels,
            the more blurred the farther outside, up to a standard deviation of an eighth of the crop.

    Returns:
        uint8 [size, size, 3], or [size, size] of a mask.
    """
    whole = square.angle == 0 and all(float(value).is_integer() for value in square)
    crop = _cut_whole(pixels, square, size, border) if whole else _cut_turned(pixels, square, size, border)
    return _fade(crop, square, pixels.shape[:2]) if border == "blur" else crop


def _cut_whole(pixels: Any, square: Square, size: int, border: Border) -> NDArray[np.uint8]:
    left, top, right, bottom = (int(edge) for edge in square.box)
    inside = np.ascontiguousarray(_region(pixels, left, top, right, bottom, border))
    if square.side == size:
        return inside
    return np.array(Image.fromarray(inside).resize((size, size), Image.Resampling.BILINEAR))


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


def _fade(crop: NDArray[np.uint8], square: Square, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Blur a crop the more, the farther outside the photo of that shape; what is inside stays as it is."""
    size = len(crop)
    distance = _outside(square, size, *shape)
    if not distance.any():
        return crop
    stages = [crop.astype(np.float32), *(soften(crop, detail) for detail in (128, 64, 32, 16))]
    stage = np.interp(distance, FADE, range(len(FADE)))
    faded = np.zeros_like(stages[0])
    for number, blurred in enumerate(stages):
        weight = np.clip(1 - np.abs(stage - number), 0, 1).astype(np.float32)
        faded += blurred * weight.reshape(weight.shape + (1,) * (crop.ndim - 2))
    return np.rint(faded).astype(np.uint8)


def _outside(square: Square, size: int, height: int, width: int) -> NDArray[np.float64]:
    """How far each pixel of a crop lies beyond the photo, in sides of the crop: [size, size]."""
    along = (np.arange(size) + 0.5) / size - 0.5
    turn = square.side * complex(math.cos(math.radians(square.angle)), math.sin(math.radians(square.angle)))
    place = complex(*square.centre) + turn * (along + 1j * along[:, None])
    x = np.maximum(np.maximum(-place.real, place.real - width), 0)
    y = np.maximum(np.maximum(-place.imag, place.imag - height), 0)
    return np.asarray(np.hypot(x, y) / square.side)


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
