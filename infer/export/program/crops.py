"""What is cut out of a photo, and what a network sees of it."""

from __future__ import annotations

import math

import numpy as np

from infer.export.program.boxes import Box, Face, Floats, Pixels

RISE = 0.05
"""How far a crop's centre lies above the box's, in sides of the box: the box leaves out the hair."""
CENTRE_SIDE, CENTRE_HEIGHT = 0.9, 0.45
"""The crop where no face is found: its side in shorter sides of the photo, its centre in heights of it."""


def upright(photo: Pixels, face: Face) -> tuple[Pixels, Box]:
    """A photo turned by quarters so that the face is upright, and its box there."""
    box = face.box
    for _ in range(face.turned // 90):
        (left, top, right, bottom), width = box, photo.shape[1]
        photo, box = np.rot90(photo), (top, width - right, bottom, width - left)
    return photo, box


def face_square(box: Box, margin: float, photo: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """Left, top and side of an upright face's crop: its box with `margin` of its longer side all round.

    Args:
        box: of the face.
        margin: in longer sides of the box.
        photo: height and width of the photo that the crop is shifted into, and shrunk to where it is larger;
            None for a crop that may reach beyond.
    """
    left, top, right, bottom = box
    longer = max(right - left, bottom - top)
    side = max(1, whole(longer * (1 + 2 * margin)))
    rise = RISE * longer
    if photo and side > min(photo):
        side = min(photo)
        rise = min(rise, max(side - longer, 0) / 2)
    x, y = whole((left + right - side) / 2), whole((top + bottom - side) / 2 - rise)
    if photo:
        x, y = min(max(x, 0), photo[1] - side), min(max(y, 0), photo[0] - side)
    return x, y, side


def whole(value: float) -> int:
    """The nearest whole number, of two the larger."""
    return math.floor(round(value, 3) + 0.5)


def centre_square(height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the crop of a photo without a face."""
    side = max(1, round(CENTRE_SIDE * min(height, width)))
    top = round(CENTRE_HEIGHT * height - side / 2)
    return round((width - side) / 2), min(max(top, 0), height - side), side


def whole_square(height: int, width: int) -> tuple[int, int, int]:
    """Left, top and side of the crop of a photo that is a face crop already: as much of it as a square holds,
    about its middle."""
    side = min(height, width)
    return (width - side) // 2, (height - side) // 2, side


def cut(photo: Pixels, left: int, top: int, side: int, size: int) -> Pixels:
    """A square of the photo, whose border pixels are repeated beyond it, at `size` pixels."""
    rows = np.arange(top, top + side).clip(0, photo.shape[0] - 1)
    columns = np.arange(left, left + side).clip(0, photo.shape[1] - 1)
    return resize(photo[rows][:, columns], size, whole_steps=True)


def resize(pixels: Pixels, size: int, *, whole_steps: bool = False) -> Pixels:
    """A square picture at another size by PIL's bilinear filter, which sees all pixels when it shrinks.

    Args:
        pixels: [source, source, 3].
        size: pixels.
        whole_steps: round after the first direction too, as PIL does, but not FaceFold's loader.
    """
    source = len(pixels)
    if source == size:
        return pixels
    reach = max(source / size, 1)
    centres = (np.arange(size) + 0.5) * source / size
    weights = np.maximum(1 - np.abs(np.arange(source) + 0.5 - centres[:, None]) / reach, 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    across = np.einsum("js,isc->ijc", weights, pixels.astype(np.float32), optimize=True)
    if whole_steps:
        across = np.floor(across + 0.5)
    down = np.einsum("is,sjc->ijc", weights, across, optimize=True)
    return np.asarray(np.floor(down + 0.5), np.uint8)


def look(crop: Pixels, size: int, centre: float) -> Floats:
    """A crop as a network sees it: its middle, `centre` of its side, at `size` pixels, [3, size, size]."""
    side = round(size / centre)
    first = round((side - size) / 2)
    seen = resize(crop, side)[first : first + size, first : first + size]
    return seen.transpose(2, 0, 1).astype(np.float32)
