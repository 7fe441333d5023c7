"""A picture of what was cropped, for people: failures first, then crops drawn at random."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pandas as pd
from PIL import Image

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED, FALLBACK
from faces.files import write_atomically
from preprocess.look.framing import LITTLE, true_pixels
from preprocess.sources.photo import Pixels

SHEET = "faces.jpg"
TILE, BORDER, COLUMNS, TILES = 128, 4, 10, 60
GREEN, ORANGE, VIOLET, RED = (60, 160, 75), (240, 160, 20), (150, 70, 190), (200, 40, 40)
MOST_REJECTS, MOST_FALLBACKS, MOST_LITTLE = 5, 15, 15


def write_sheet(cache: Cache) -> None:
    """Write `faces.jpg` into a finished cache; the same cache gives the same picture.

    Rejected photos come first (red, their reason in words), then crops at the centre (orange), then crops
    that are photo in less than half (violet), then other crops of detected faces (green).

    Raises:
        OSError: not writable.
    """
    rng = np.random.default_rng(0)
    tiles = [_reject_tile(reason) for reason in cache.rejects.reason.drop_duplicates().head(MOST_REJECTS)]
    detected = cache.index.status == DETECTED
    little = true_pixels(cache.index) < LITTLE
    for these, most, colour in (
        (cache.index.status == FALLBACK, MOST_FALLBACKS, ORANGE),
        (detected & little, MOST_LITTLE, VIOLET),
        (detected & ~little, TILES, GREEN),
    ):
        rows = _draw(these, min(most, TILES - len(tiles)), rng)
        tiles += [_crop_tile(cache, row, colour) for row in rows]
    lines = [tiles[at : at + COLUMNS] for at in range(0, len(tiles), COLUMNS)]
    blank = np.full((TILE, TILE, 3), 255, np.uint8)
    lines[-1] += [blank] * (len(lines[0]) - len(lines[-1]))
    buffer = io.BytesIO()
    Image.fromarray(np.vstack([np.hstack(line) for line in lines])).save(buffer, "JPEG", quality=90)
    write_atomically(cache.folder / SHEET, buffer.getvalue())


def _draw(these: pd.Series, most: int, rng: np.random.Generator) -> list[int]:
    rows = np.flatnonzero(these)
    return sorted(rng.permutation(rows)[:most].tolist())


def _crop_tile(cache: Cache, row: int, colour: tuple[int, int, int]) -> Pixels:
    side = TILE - 2 * BORDER
    small = np.asarray(Image.fromarray(cache.image(row)).resize((side, side), Image.Resampling.BILINEAR))
    return _framed(small, colour)


def _reject_tile(reason: str) -> Pixels:
    tile = np.full((TILE - 2 * BORDER, TILE - 2 * BORDER, 3), 255, np.uint8)
    # OpenCV's font knows ASCII only.
    text = reason.encode("ascii", "replace").decode()
    for line in range(6):
        part = text[line * 18 : line * 18 + 18]
        cv2.putText(tile, part, (3, 18 + 18 * line), cv2.FONT_HERSHEY_SIMPLEX, 0.35, RED)
    return _framed(tile, RED)


def _framed(tile: Pixels, colour: tuple[int, int, int]) -> Pixels:
    framed = np.empty((TILE, TILE, 3), np.uint8)
    framed[:] = colour
    framed[BORDER:-BORDER, BORDER:-BORDER] = tile
    return framed
