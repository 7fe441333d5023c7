"""The contact sheet: crops that need a look come first, each kind in a frame of its own colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.look.sheet import (
    BORDER,
    COLUMNS,
    GREEN,
    LEGEND,
    NAME,
    ORANGE,
    SHEET,
    TILE,
    VIOLET,
    write_sheet,
)
from tests.helpers.shown import LOST, fields, write


@pytest.mark.parametrize("recorded", [True, False])
def test_crops_that_are_mostly_no_photo_stand_out_behind_those_without_a_face(
    tmp_path: Path, recorded: bool
) -> None:
    # The photo is 200 x 100: of a square of 200 from its corner half is photo, of one of 250 less.
    rows = [fields(n, crop_box=[0.0, 0.0, 200.0, 200.0], true_pixels=0.5) for n in range(8)]
    rows += [fields(n, crop_box=[0.0, 0.0, 250.0, 250.0], true_pixels=0.32) for n in (8, 9)]
    rows += [fields(10, **LOST, true_pixels=1.0)]
    if not recorded:
        for row in rows:
            del row["true_pixels"]
    cache = write(tmp_path / "cache", rows)
    write_sheet(cache)
    sheet = np.asarray(Image.open(cache.folder / SHEET))
    assert sheet.shape == (LEGEND + 2 * (TILE + NAME), COLUMNS * TILE, 3)
    frames = [sheet[LEGEND + BORDER // 2, TILE * tile + TILE // 2] for tile in range(COLUMNS)]
    for frame, colour in zip(frames, [ORANGE, VIOLET, VIOLET, *[GREEN] * 7], strict=True):
        np.testing.assert_allclose(frame, colour, atol=30)


def test_every_tile_is_named_within_its_own_width(tmp_path: Path) -> None:
    """Whatever the name: long, with ends of lines, in letters that the font lacks, or no folder."""
    names = ["a/b.jpg", f"{'x' * 80}/{'y' * 80}.jpg", "a\nb/c\t.jpg", "사진/얼굴.jpg", "top.jpg"]
    rows = [fields(n, source=name, image_id=name) for n, name in enumerate(names)]
    cache = write(tmp_path / "cache", rows)
    write_sheet(cache)
    sheet = np.asarray(Image.open(cache.folder / SHEET).convert("L"))
    strip = sheet[LEGEND + TILE + BORDER : LEGEND + TILE + NAME]
    for tile in range(COLUMNS):
        inked = (strip[:, tile * TILE : (tile + 1) * TILE] < 128).any()
        assert inked == (tile < len(names))
    for edge in range(1, COLUMNS):
        assert (strip[:, edge * TILE - 1 : edge * TILE + 1] > 200).all()
    assert (sheet[:LEGEND] < 128).any()
