"""The picture of what stage 1 makes of one photo."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from preprocess.crop.render import Rendered
from preprocess.look.explain import ExplainSettings, explain
from preprocess.look.photo_picture import square_corners
from tests.helpers.matting import brightness_model
from tests.helpers.pictures import save


def test_the_picture_is_drawn_for_any_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / "u2netp.onnx").write_bytes(brightness_model())
    plain = ExplainSettings(photo=save(tmp_path / "a.jpg", astronaut()), out=tmp_path / "a.png")
    explain(plain)
    cut_out = ExplainSettings(photo=plain.photo, out=tmp_path / "b.png", background="alpha", align=True)
    explain(cut_out)
    faceless = ExplainSettings(
        photo=save(tmp_path / "c.jpg", np.full((90, 80, 3), 99, np.uint8)), out=tmp_path / "c.png"
    )
    explain(faceless)
    widths = {name: Image.open(tmp_path / name).width for name in ("a.png", "b.png", "c.png")}
    assert widths["b.png"] > 1.2 * widths["a.png"]


def test_a_photo_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a.jpg: empty file"):
        explain(ExplainSettings(photo=tmp_path / "a.jpg", out=tmp_path / "a.png"))


def test_the_square_is_turned_clockwise_about_its_centre() -> None:
    corners = square_corners(Rendered(b"", (0.0, 0.0, 10.0, 10.0), 90.0))
    # The upper left corner goes to the upper right.
    np.testing.assert_allclose(corners[0], (10, 0), atol=1e-9)
    np.testing.assert_allclose(square_corners(Rendered(b"", (0.0, 0.0, 10.0, 10.0), 0.0))[2], (10, 10))
