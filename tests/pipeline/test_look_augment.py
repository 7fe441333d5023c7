"""The contact sheet of an augmentation policy: what it says, and that it shows what is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.cache.reader import Cache
from pipeline.augment import POLICIES
from pipeline.contact_sheet import COLUMNS, GAP, INDENT, MARGIN, ROWS, augment_sheet, strengths
from pipeline.look_augment import LookAugmentSettings, look
from tests.helpers.coloured import SIZE
from train.look import command as recipe_look


def crops_of(sheet: Path, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """The sheet's images: [ROWS, S, S, 3] of evaluation and [ROWS, COLUMNS, S, S, 3] of training."""
    pixels, step = np.asarray(Image.open(sheet)), size + GAP
    top, left = len(pixels) - MARGIN + GAP - ROWS * step, MARGIN + step - GAP + INDENT
    rows = [slice(top + row * step, top + row * step + size) for row in range(ROWS)]
    columns = [slice(left + column * step, left + column * step + size) for column in range(COLUMNS)]
    shown = np.stack([pixels[row, MARGIN : MARGIN + size] for row in rows])
    return shown, np.stack([[pixels[row, column] for column in columns] for row in rows])


def test_the_sheet_shows_crops_beside_their_augmentations(coloured: Cache, tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet.png"
    augment_sheet(coloured, "team_a", sheet, image_size=SIZE)
    shown, trained = crops_of(sheet)
    stored = np.stack(coloured.encoded(np.arange(len(coloured)))).astype(int)
    found = [int(np.abs(stored - image).max((1, 2, 3)).argmin()) for image in shown]
    assert len(set(found)) == ROWS
    for row, image in zip(found, shown, strict=True):
        assert np.abs(stored[row] - image).max() <= 1
    assert all(len({image.tobytes() for image in row}) == COLUMNS for row in trained)


def test_without_augmentation_all_columns_are_what_evaluation_sees(coloured: Cache, tmp_path: Path) -> None:
    augment_sheet(coloured, "none", tmp_path / "sheet.png", image_size=32, centre=0.8)
    shown, trained = crops_of(tmp_path / "sheet.png", 32)
    assert (trained == shown[:, None]).all() and shown.std() > 10


def test_seeds_draw_other_sheets(coloured: Cache, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        augment_sheet(coloured, "light", tmp_path / f"{name}.png", image_size=32, seed=seed)
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_strengths_name_what_is_on() -> None:
    assert strengths(POLICIES["none"]) == "nothing is changed"
    assert strengths(POLICIES["light"]) == "crop area 0.7 to 1, crop aspect 0.9 to 1.1, rotation 5, flip 0.5"
    assert (
        strengths(POLICIES["trivialaugment"], cut_out=True) == "flip 0.5, background 1, auto trivialaugment"
    )
    assert "auto operations 2, auto magnitude 9" in strengths(POLICIES["randaugment"])


def test_a_recipe_is_shown_with_its_own_size_centre_and_policy(coloured: Cache, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('augment = "light"\nimage_size = 40\ncentre = 0.8\nseed = 3\n')
    recipe_look.look(
        recipe_look.LookRecipeSettings(recipe=recipe, cache=coloured.folder, out=tmp_path / "recipe.png")
    )
    augment_sheet(coloured, "light", tmp_path / "sheet.png", image_size=40, centre=0.8, seed=3)
    assert (tmp_path / "recipe.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()


def test_a_policy_that_is_none_is_named(coloured: Cache, tmp_path: Path) -> None:
    settings = LookAugmentSettings(cache=coloured.folder, policy="stong", out=tmp_path / "sheet.png")
    with pytest.raises(ValueError, match="no augmentation policy 'stong': did you mean 'strong'"):
        look(settings)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("centre = 0.1\n")
    with pytest.raises(ValueError, match=r"centre=0.1: must be in 0.25 to 1; 1 keeps the whole crop"):
        recipe_look.look(recipe_look.LookRecipeSettings(recipe=recipe, cache=coloured.folder))
    assert not (tmp_path / "sheet.png").exists()
