"""Reading photos: every kind of file is a picture or has a reason."""

import io
from pathlib import Path

import numpy as np
import pytest
from pictures import jpeg, picture, save
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from preprocess.photo import BadPhoto, read_photo

ORIENTATION = 0x0112


def test_a_photo_is_rgb_with_the_hash_of_its_file(tmp_path: Path) -> None:
    import hashlib

    path = save(tmp_path / "a.png", picture(30, 20))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, picture(30, 20))
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.pixels.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(tmp_path: Path, orientation: int) -> None:
    """The eight ways in which a camera may store an upright picture, by the EXIF standard."""
    upright = picture(48, 32)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / "a.jpg", np.ascontiguousarray(stored), exif=exif, quality=98, subsampling=0)
    np.testing.assert_allclose(read_photo(path).pixels.astype(int), upright, atol=8)


def test_a_photo_with_damaged_exif_is_still_a_photo(tmp_path: Path) -> None:
    path = save(tmp_path / "a.jpg", picture(48, 32), exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    assert read_photo(path).pixels.shape == (48, 32, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "CMYK", "1", "I;16", "YCbCr"])
def test_every_kind_of_pixels_becomes_rgb(tmp_path: Path, mode: str) -> None:
    grey = np.repeat(picture(30, 20)[..., :1], 3, axis=2)
    if mode == "I;16":
        image = Image.fromarray(grey[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(grey).quantize(256) if mode == "P" else Image.fromarray(grey).convert(mode)
    suffix = "jpg" if mode in ("CMYK", "YCbCr") else "png"
    image.save(tmp_path / f"a.{suffix}", **({"quality": 100} if suffix == "jpg" else {}))
    pixels = read_photo(tmp_path / f"a.{suffix}").pixels
    assert pixels.shape == (30, 20, 3) and pixels.dtype == np.uint8
    if mode == "1":
        assert set(np.unique(pixels)) <= {0, 255}
    else:
        np.testing.assert_allclose(pixels.astype(int), grey, atol=4)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((10, 10, 4), np.uint8)
    pixels[:5, :, 3] = 255
    photo = read_photo(save(tmp_path / "a.png", pixels)).pixels
    assert (photo[:5] == 0).all() and (photo[5:] == 255).all()


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((9, 9, 3), level, np.uint8)) for level in (40, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (read_photo(tmp_path / "a.gif").pixels == 40).all()


def test_a_file_is_read_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(30, 20)).rename(tmp_path / "a.jpg")
    np.testing.assert_array_equal(read_photo(tmp_path / "a.jpg").pixels, picture(30, 20))


def bomb() -> bytes:
    """A PNG of 20,000 x 20,000 pixels in 50 kB."""
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


BAD = {
    "empty.jpg": (b"", "empty file"),
    "text.jpg": (b"hello, I am no photo", "not an image"),
    "noise.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an image|damaged"),
    "half.jpg": (jpeg(picture(200, 200))[:1500], "damaged: .*truncated"),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_photo_has_a_reason(tmp_path: Path, name: str) -> None:
    data, reason = BAD[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(BadPhoto, match=reason) as caught:
        read_photo(tmp_path / name)
    assert len(caught.value.sha256) == 64


def test_a_truncated_png_has_a_reason(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(BadPhoto, match="damaged"):
        read_photo(path)


def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb())
    monkeypatch.setattr(PngImageFile, "load", lambda _: pytest.fail("decoded"))
    with pytest.raises(BadPhoto, match=r"too large: .*400000000 pixels"):
        read_photo(tmp_path / "bomb.png")


def test_a_file_that_went_away_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(BadPhoto, match="unreadable: No such file"):
        read_photo(tmp_path / "gone.jpg")
