"""The contact sheet: crops that need a look come first, each kind in a frame of its own colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from preprocess.look.sheet import BORDER, COLUMNS, GREEN, ORANGE, SHEET, TILE, VIOLET, write_sheet
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
    assert sheet.shape == (2 * TILE, COLUMNS * TILE, 3)
    frames = [sheet[BORDER // 2, TILE * tile + TILE // 2] for tile in range(COLUMNS)]
    for frame, colour in zip(frames, [ORANGE, VIOLET, VIOLET, *[GREEN] * 7], strict=True):
        np.testing.assert_allclose(frame, colour, atol=30)
