"""Which files the predictor that is exported takes for photos, and what it says of the others."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from infer.export import predict
from preprocess.sources.photo import read_photo
from tests.helpers.pictures import picture


def test_photos_of_a_folder_are_told_by_their_content(tmp_path: Path) -> None:
    """Whatever they are called; nothing that claims to be one is passed over."""
    pixels = picture(20, 30)
    kinds = {"a.jpe": "JPEG", "b": "PNG", "c.JPG_1": "JPEG", "d.gif": "GIF", "e.x": "JPEG2000", "f.y": "WEBP"}
    for name, kind in kinds.items():
        Image.fromarray(pixels).save(tmp_path / name, kind)
    (tmp_path / "BM.csv").write_text("BMI,age\n20,30\n")
    (tmp_path / "empty.dng").touch()
    for folder in ("@eaDir", ".Trash-0", "inner"):
        (tmp_path / folder).mkdir()
        Image.fromarray(pixels).save(tmp_path / folder / "z.png")
    (tmp_path / "inner" / "circle").symlink_to(tmp_path)
    photos, lines, closed = predict.photos_of([tmp_path, tmp_path / "named.txt"])
    found = sorted(tmp_path / name for name in (*kinds, "empty.dng", "inner/z.png"))
    assert (photos, closed) == ([*found, tmp_path / "named.txt"], 0)
    assert lines == [
        f"left out, since hidden folders or a tool's: 2 ({tmp_path / '.Trash-0'}, {tmp_path / '@eaDir'})",
        f"left out, since no photos: 1 ({tmp_path / 'BM.csv'})",
    ]
    for name in kinds:
        assert np.abs(predict.read_photo(tmp_path / name).astype(int) - pixels).mean() < 30
    with pytest.raises(predict.BadPhoto, match="empty file"):
        predict.read_photo(tmp_path / "empty.dng")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE html><title>404</title>", "an HTML page"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", r"\(HEIC\): convert it to JPEG"),
        (b"\xff\xd8\xff", "damaged"),
        (b"BM" + bytes(20), "damaged, or of a kind of BMP that OpenCV does not read"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", r"\(JPEG XL\): convert it to JPEG"),
        (
            b"II*\0\x08\0\0\0\1\0" + bytes([0x12, 0xC6, 1, 0, 4, 0, 0, 0, 1, 4, 0, 0]),
            "a raw photo of a camera",
        ),
    ],
)
def test_what_is_not_read_is_named(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(predict.BadPhoto, match=reason):
        predict.read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_is_white_as_in_preprocessing(tmp_path: Path, kind: str) -> None:
    pixels = np.dstack([picture(20, 30), np.full((20, 30), 255, np.uint8)])
    pixels[:5, :, 3], pixels[5:10, :, 3] = 0, 100
    path = tmp_path / "a"
    Image.fromarray(pixels).save(path, kind, **({"lossless": True} if kind == "WEBP" else {}))
    theirs = read_photo(path).pixels.astype(int)
    assert np.abs(predict.read_photo(path).astype(int) - theirs).max() <= 1
    assert (theirs[:5] == 255).all() and (theirs[5:] != 255).any()


def test_alpha_of_a_tiff_shows_white_and_never_black(tmp_path: Path) -> None:
    pixels = np.dstack([picture(20, 30), np.full((20, 30), 255, np.uint8)])
    pixels[:10, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(predict.read_photo(tmp_path / "a.tif")[:10], 255)
    np.testing.assert_array_equal(predict.read_photo(tmp_path / "a.tif")[10:], pixels[10:, :, :3])
    pixels[..., 3] = 0
    for name in ("b.tif", "b.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    np.testing.assert_array_equal(predict.read_photo(tmp_path / "b.png"), pixels[..., :3])
    with pytest.raises(predict.BadPhoto, match="transparent all over"):
        predict.read_photo(tmp_path / "b.tif")
