"""What is cut out of a photo, and what a network sees of it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from faces.framing.face import Pixels
from faces.framing.square import Square
from infer.export.program.boxes import Singles


def cut(photo: Pixels, square: Square, size: int) -> Pixels:
    """A square of the photo, upright, at `size` pixels; beyond the photo its border pixels are repeated."""
    left, top, right, bottom = map(int, square.box)
    rows = np.arange(top, bottom).clip(0, photo.shape[0] - 1)
    columns = np.arange(left, right).clip(0, photo.shape[1] - 1)
    # Turned first: Pillow rounds between rows and columns, so that it is not the same afterwards.
    shown = np.rot90(photo[rows][:, columns], int(square.angle) // 90)
    return np.array(
        Image.fromarray(np.ascontiguousarray(shown)).resize((size, size), Image.Resampling.BILINEAR)
    )


def resize(pixels: Pixels, size: int) -> Pixels:
    """A square picture [source, source, 3] at another size by a bilinear filter that sees all pixels when it
    shrinks, as FaceFold's loader does, which unlike Pillow does not round after the first direction."""
    source = len(pixels)
    if source == size:
        return pixels
    reach = max(source / size, 1)
    centres = (np.arange(size) + 0.5) * source / size
    weights = np.maximum(1 - np.abs(np.arange(source) + 0.5 - centres[:, None]) / reach, 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    across = np.einsum("js,isc->ijc", weights, pixels.astype(np.float32), optimize=True)
    down = np.einsum("is,sjc->ijc", weights, across, optimize=True)
    return np.asarray(np.floor(down + 0.5), np.uint8)


def look(crop: Pixels, size: int, centre: float) -> Singles:
    """A crop as a network sees it: its middle, `centre` of its side, at `size` pixels, [3, size, size]."""
    side = round(size / centre)
    first = round((side - size) / 2)
    seen = resize(crop, side)[first : first + size, first : first + size]
    return seen.transpose(2, 0, 1).astype(np.float32)
