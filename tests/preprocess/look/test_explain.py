"""The picture of what stage 1 makes of one photo."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from preprocess.crop.render import Rendered
from preprocess.look.explain.command import ExplainSettings, explain
from preprocess.look.explain.picture import square_corners
from preprocess.settings import PreprocessSettings
from tests.helpers.matting import brightness_model
from tests.helpers.pictures import save

PORTRAIT = np.ascontiguousarray(astronaut()[0:330, 90:370])
"""One face: 86 x 110 from (91, 63)."""


def told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pixels: np.ndarray, **settings: Any
) -> list[str]:
    """The words under the picture."""
    explain(ExplainSettings(photo=save(tmp_path / "a.png", pixels), out=tmp_path / "out.png", **settings))
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == f"wrote {tmp_path / 'out.png'}"
    return lines


def test_the_picture_is_drawn_for_any_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / "u2netp.onnx").write_bytes(brightness_model())
    plain = ExplainSettings(photo=save(tmp_path / "a.jpg", PORTRAIT), out=tmp_path / "a.png")
    explain(plain)
    cut_out = ExplainSettings(photo=plain.photo, out=tmp_path / "b.png", background="alpha", align=True)
    explain(cut_out)
    widths = {name: Image.open(tmp_path / name).width for name in ("a.png", "b.png")}
    assert widths["b.png"] > 1.2 * widths["a.png"]


def test_the_face_taken_is_told_with_its_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps, face, crop = told(tmp_path, capsys, PORTRAIT)
    assert steps == (
        "steps: mtcnn: 1 face (mtcnn); again: not needed; yunet: no model given; turned: no better turn"
    )
    # In a photo of 280 x 330, 86 x 109.8 around (134.4, 117.8), 5.6 and 47.2 from its middle.
    central = 1 - (5.6**2 + 47.2**2) / (140**2 + 165**2)
    assert face.startswith(
        "1 taken: mtcnn, 86 x 110 pixels, nearness to the middle 0.95, certainty 0.999: product "
    )
    assert float(face.split("product ")[1].replace(",", "")) == pytest.approx(86 * 109.8 * central, rel=0.002)
    assert crop == "crop 165 x 165 from left 52, top 30, 100% of it photo"


def test_every_face_is_told_and_the_one_taken_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = np.concatenate([PORTRAIT, PORTRAIT[:, ::-1][:, 90:]], axis=1)
    _, first, second, crop = told(tmp_path, capsys, two)
    assert first.startswith("1 taken: ") and second.startswith("2: mtcnn") and crop.startswith("crop ")
    products = [float(line.split("product ")[1].replace(",", "")) for line in (first, second)]
    assert products[0] > products[1]
    small = Image.open(tmp_path / "out.png").width
    _, first, second = told(tmp_path, capsys, two, faces="all")
    assert first.startswith("1 taken: ") and second.startswith("2 taken: ")
    assert "; crop " in first and "; crop " in second
    assert Image.open(tmp_path / "out.png").width > small, "both crops"


def test_a_photo_on_its_side_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps, face, crop = told(tmp_path, capsys, np.rot90(PORTRAIT, -1))
    assert steps.endswith("turned: 1 face (mtcnn-turned), turned by 90 degrees")
    assert face.startswith("1 taken: mtcnn-turned, 110 x 8") and face.endswith("; turned by 90 degrees")
    assert crop.endswith("100% of it photo, turned back by 90 degrees")
    steps = told(tmp_path, capsys, np.rot90(PORTRAIT, -1), steps=("mtcnn",))[0]
    assert "turned" not in steps


def test_a_tight_crop_is_shrunk_or_filled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tight = PORTRAIT[50:190, 80:190]
    crop = told(tmp_path, capsys, tight)[-1]
    assert crop.startswith("crop 110 x 110 from left 0, ") and "100% of it photo; shrunk from " in crop
    crop = told(tmp_path, capsys, tight, clamp=False)[-1]
    assert "% of it photo" in crop and "100%" not in crop and "shrunk" not in crop
    crop = told(tmp_path, capsys, PORTRAIT[50:])[-1]
    assert crop.endswith("100% of it photo; shifted into the photo")
    taken = told(tmp_path, capsys, tight, faces="as_is")
    assert taken == [
        "taken as it is, without a search: the square in the middle",
        "crop 110 x 110 from left 0, top 15, 100% of it photo",
    ]


def test_where_no_face_is_taken_the_middle_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = told(tmp_path, capsys, np.full((90, 80, 3), 99, np.uint8))
    assert lines[0] == "steps: mtcnn: none; again: none; yunet: no model given; turned: none"
    assert lines[1:] == [
        "no face found: the middle is cut",
        "crop 72 x 72 from left 4, top 4, 100% of it photo",
    ]
    lines = told(tmp_path, capsys, PORTRAIT[:, :150], steps=("mtcnn",))
    assert lines[1].startswith("1: mtcnn, ") and lines[1].endswith(", comes last")
    assert "centre beyond the edge" in lines[1] and lines[2].startswith("none taken, ")


def test_a_photo_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a.jpg: empty file"):
        explain(ExplainSettings(photo=tmp_path / "a.jpg", out=tmp_path / "a.png"))


def test_the_settings_are_those_of_stage_1() -> None:
    mine, theirs = ExplainSettings(photo=Path("a.jpg")), PreprocessSettings(data=Path("a"), cache=Path("b"))
    shared = [name for name in vars(mine) if name not in ("photo", "out")]
    assert {name: getattr(mine, name) for name in shared} == {name: getattr(theirs, name) for name in shared}


def test_the_square_is_turned_clockwise_about_its_centre() -> None:
    corners = square_corners(Rendered(b"", (0.0, 0.0, 10.0, 10.0), 90.0, 1.0))
    # The upper left corner goes to the upper right.
    np.testing.assert_allclose(corners[0], (10, 0), atol=1e-9)
    upright = square_corners(Rendered(b"", (0.0, 0.0, 10.0, 10.0), 0.0, 1.0))
    np.testing.assert_allclose(upright[2], (10, 10))
