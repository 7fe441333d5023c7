"""A picture of what was cropped, for people: failures first, then crops drawn at random."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED, FALLBACK
from faces.files import write_atomically
from faces.terminal.text import one_line
from preprocess.look.framing import LITTLE, true_pixels

SHEET = "faces.jpg"
TILE, BORDER, COLUMNS, TILES = 128, 4, 10, 60
NAME, LEGEND, LETTERS = 28, 24, 11
"""Heights of a tile's two lines of name, of the line on top, and of letters; pixels."""
GREEN, ORANGE, VIOLET, RED = (60, 160, 75), (240, 160, 20), (150, 70, 190), (200, 40, 40)
MOST_REJECTS, MOST_FALLBACKS, MOST_LITTLE = 5, 15, 15
MEANING = (
    (RED, "could not be read"),
    (ORANGE, "no face found: cropped at the centre"),
    (VIOLET, "less than half of the crop is photo"),
    (GREEN, "face found"),
)


@dataclass(frozen=True)
class _Tile:
    """A picture of `TILE` x `TILE` pixels and the photo's name below it."""

    picture: Image.Image
    name: str
    position: int
    """Place of the photo in the source, which stands for names in letters that the font lacks."""


def write_sheet(cache: Cache) -> None:
    """Write `faces.jpg` into a finished cache; the same cache gives the same picture.

    Rejected photos come first (red, their reason in words), then crops at the centre (orange), then crops
    that are photo in less than half (violet), then other crops of detected faces (green). Below each stands
    the photo's folder and name, on top what the colours mean.

    Raises:
        OSError: not writable.
    """
    rng = np.random.default_rng(0)
    rejects = cache.rejects.drop_duplicates("reason").head(MOST_REJECTS).to_dict("records")
    tiles = [_reject_tile(row["reason"], row["source"], row["position"]) for row in rejects]
    detected = cache.index.status == DETECTED
    little = true_pixels(cache.index) < LITTLE
    for these, most, colour in (
        (cache.index.status == FALLBACK, MOST_FALLBACKS, ORANGE),
        (detected & little, MOST_LITTLE, VIOLET),
        (detected & ~little, TILES, GREEN),
    ):
        rows = _draw(these, min(most, TILES - len(tiles)), rng)
        tiles += [_crop_tile(cache, row, colour) for row in rows]
    buffer = io.BytesIO()
    _arranged(tiles).save(buffer, "JPEG", quality=90)
    write_atomically(cache.folder / SHEET, buffer.getvalue())


def _draw(these: pd.Series, most: int, rng: np.random.Generator) -> list[int]:
    rows = np.flatnonzero(these)
    return sorted(rng.permutation(rows)[:most].tolist())


def _arranged(tiles: Sequence[_Tile]) -> Image.Image:
    """The tiles in lines below what their colours mean."""
    lines = -(-len(tiles) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * TILE, LEGEND + lines * (TILE + NAME)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    left = BORDER
    for colour, meaning in MEANING:
        draw.rectangle((left, 6, left + 12, 18), colour)
        draw.text((left + 17, 5), meaning, "black", font)
        left += 17 + round(font.getlength(meaning)) + 20
    for place, tile in enumerate(tiles):
        across, down = place % COLUMNS * TILE, LEGEND + place // COLUMNS * (TILE + NAME)
        sheet.paste(tile.picture, (across, down))
        for line, text in enumerate(_named(tile, font)):
            draw.text((across + BORDER, down + TILE + 1 + 12 * line), text, "black", font)
    return sheet


def _named(tile: _Tile, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> tuple[str, str]:
    """Folder and name of a tile's photo, so much of them as there is room for."""
    *folders, name = one_line(tile.name).split("/")
    parts = folders[-1] if folders else "", name
    if not all(part.isascii() for part in parts):
        return f"position {tile.position}", "in index.parquet"
    folder, name = parts
    room = TILE - 2 * BORDER
    while font.getlength(folder) > room:
        folder = folder.removesuffix("...")[:-1] + "..."
    while font.getlength(name) > room:
        name = "..." + name.removeprefix("...")[1:]
    return folder, name


def _crop_tile(cache: Cache, row: int, colour: tuple[int, int, int]) -> _Tile:
    side = TILE - 2 * BORDER
    small = Image.fromarray(cache.image(row)).resize((side, side), Image.Resampling.BILINEAR)
    photo = cache.index.iloc[row]
    return _Tile(_framed(small, colour), str(photo["source"]), int(photo["position"]))


def _reject_tile(reason: str, source: str, position: int) -> _Tile:
    tile = Image.new("RGB", (TILE - 2 * BORDER,) * 2, "white")
    # The font knows hardly more than ASCII.
    text = one_line(reason).encode("ascii", "replace").decode()
    ImageDraw.Draw(tile).text(
        (3, 3), textwrap.fill(text, 20, max_lines=8), RED, ImageFont.load_default(LETTERS)
    )
    return _Tile(_framed(tile, RED), source, position)


def _framed(tile: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    framed = Image.new("RGB", (TILE, TILE), colour)
    framed.paste(tile.convert("RGB"), (BORDER, BORDER))
    return framed
