"""Reading photos: every kind of file is a picture or has a reason."""

import hashlib
import io
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile

from faces.photos.files import BadPhoto
from preprocess.sources.photo import read_photo
from tests.helpers.pictures import jpeg, picture, save

ORIENTATION = 0x0112


def test_a_photo_is_rgb_with_the_hash_of_its_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", picture(30, 20))
    photo = read_photo(path)
    np.testing.assert_array_equal(photo.pixels, picture(30, 20))
    assert photo.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert photo.pixels.flags.writeable and photo.pixels.flags.c_contiguous


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


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_an_alpha_channel_that_nobody_filled_is_ignored(tmp_path: Path, mode: str) -> None:
    """Of image-rs/image#539 and the like: alpha 0 everywhere is no white picture."""
    grey = np.repeat(picture(30, 20)[..., :1], 3, axis=2)
    if mode == "P":
        image = Image.fromarray(grey).quantize(256)
        image.info["transparency"] = bytes(256)
    else:
        image = Image.fromarray(np.dstack([grey, np.zeros((30, 20), np.uint8)])).convert(mode)
    image.save(tmp_path / "a.png")
    np.testing.assert_allclose(read_photo(tmp_path / "a.png").pixels.astype(int), grey, atol=4)


def chunk(name: bytes, content: bytes, *, sound: bool = True) -> bytes:
    check = zlib.crc32(name + content) ^ (not sound)
    return len(content).to_bytes(4) + name + content + check.to_bytes(4)


def png_with(*chunks: bytes, pixels: np.ndarray) -> bytes:
    """A PNG with parts between its header and its pixels."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()[:33] + b"".join(chunks) + buffer.getvalue()[33:]


MANY = zlib.compress(bytes(2_000_000))
TEXTS = {
    "a profile above 1 MiB": chunk(b"iCCP", b"x\0\0" + MANY),
    "a text above 1 MiB": chunk(b"zTXt", b"x\0\0" + MANY),
    "a text in Unicode above 1 MiB": chunk(b"iTXt", b"x\0\1\0\0\0" + MANY),
    "a damaged text": chunk(b"tEXt", b"a\0b", sound=False),
    "a damaged orientation": chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0", sound=False),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("turned", [False, True])
def test_what_its_pixels_do_not_need_is_not_in_the_way_of_a_png(
    tmp_path: Path, name: str, turned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow#8363 and #2445; which side is up is kept."""
    monkeypatch.setattr("faces.photos.gate.HEADER_FIRST", 0 if turned else 4_000_000)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    others = [chunk(b"eXIf", exif.tobytes()[6:])] if turned else []
    (tmp_path / "a.png").write_bytes(png_with(TEXTS[name], *others, pixels=picture(30, 20)))
    upright = np.rot90(picture(30, 20), -1) if turned else picture(30, 20)
    np.testing.assert_array_equal(read_photo(tmp_path / "a.png").pixels, upright)


def test_damage_of_what_its_pixels_need_is_damage_of_a_png(tmp_path: Path) -> None:
    whole = png_with(pixels=picture(30, 20))
    flipped = bytearray(whole)
    flipped[-30] ^= 1
    hidden = chunk(b"tRNS", bytes(6), sound=False)
    for data in (bytes(flipped), whole[:16] + b"\1" + whole[17:], png_with(hidden, pixels=picture(30, 20))):
        (tmp_path / "a.png").write_bytes(data)
        with pytest.raises(BadPhoto, match="damaged"):
            read_photo(tmp_path / "a.png")


def test_the_first_picture_of_several_in_a_jpeg_is_read(tmp_path: Path) -> None:
    others = [Image.fromarray(255 - picture(30, 20))]
    path = tmp_path / "a.mpo"
    Image.fromarray(picture(30, 20)).save(path, "MPO", save_all=True, append_images=others, quality=98)
    assert np.abs(read_photo(path).pixels.astype(int) - picture(30, 20)).mean() < 4


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
    "text.jpg": (b"hello, I am no photo", "no photo but a text file"),
    "strange.jpg": (b"\1\2\3\4", "not an image of a known format"),
    "noise.png": (b"\x89PNG\r\n\x1a\n" + bytes(100), "not an image|damaged"),
    "half.jpg": (jpeg(picture(200, 200))[:1500], "damaged: .*truncated"),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "PostScript.*convert it to JPEG"),
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
    with pytest.raises(BadPhoto, match=r"too large: 20000 x 20000 is 400000000 pixels, the limit is 89 mill"):
        read_photo(tmp_path / "bomb.png")


def test_of_a_large_file_the_header_is_judged_before_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bomb() + bytes(5_000_000)
    (tmp_path / "bomb.png").write_bytes(data)
    whole = hashlib.sha256(data).hexdigest()
    monkeypatch.setattr(hashlib, "sha256", lambda _: pytest.fail("read as a whole"))
    with pytest.raises(BadPhoto, match="400000000 pixels") as caught:
        read_photo(tmp_path / "bomb.png")
    assert caught.value.sha256 == whole


@pytest.mark.parametrize(("side", "limit"), [(1000, 1), (1001, 1)])
def test_the_limit_of_pixels_is_the_one_given(tmp_path: Path, side: int, limit: int) -> None:
    Image.new("1", (side, side)).save(tmp_path / "a.png")
    if side * side <= limit * 1_000_000:
        assert read_photo(tmp_path / "a.png", max_megapixels=limit).pixels.shape == (side, side, 3)
    else:
        with pytest.raises(BadPhoto, match=f"too large: .*the limit is {limit} million"):
            read_photo(tmp_path / "a.png", max_megapixels=limit)


def test_no_limit_of_pillow_stands_before_a_larger_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pillow's own is 179 million pixels."""

    def load(_: object) -> None:
        raise OSError("decoding has begun")

    (tmp_path / "a.png").write_bytes(bomb())
    monkeypatch.setattr(PngImageFile, "load", load)
    with pytest.raises(BadPhoto, match="damaged: decoding has begun"):
        read_photo(tmp_path / "a.png", max_megapixels=400)


def test_a_file_of_too_many_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "a.png", picture(30, 20))
    monkeypatch.setattr("faces.photos.gate.BYTES_LIMIT", path.stat().st_size - 1)
    with pytest.raises(BadPhoto, match=r"too large: [0-9]+ bytes, the limit is") as caught:
        read_photo(path)
    assert caught.value.sha256 == ""


@pytest.mark.parametrize("shape", [(1, 1), (2001, 2003), (3, 2_100_000), (700_000, 3)])
def test_the_pixels_of_large_photos_are_copied_in_pieces(tmp_path: Path, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    path = save(tmp_path / "a.bmp", pixels)
    np.testing.assert_array_equal(read_photo(path).pixels, pixels)


def test_a_named_pipe_is_never_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with pytest.raises(BadPhoto, match="not a regular file but a named pipe"):
        read_photo(tmp_path / "a.jpg")
    monkeypatch.setattr("faces.photos.files.inspect_file", lambda _: (3, ""))
    with pytest.raises(BadPhoto, match="not a regular file any more"):
        read_photo(tmp_path / "a.jpg")


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_is_named_with_its_cure(tmp_path: Path, brand: bytes) -> None:
    """`mif1` is the brand of any HEIF file, with `heic` among those it is compatible with."""
    box = b"ftyp" + brand + bytes(4) + b"mif1heic"
    (tmp_path / "a.jpg").write_bytes((len(box) + 4).to_bytes(4, "big") + box + bytes(1000))
    with pytest.raises(BadPhoto, match=r"HEIC .*convert it to JPEG") as caught:
        read_photo(tmp_path / "a.jpg")
    assert len(caught.value.sha256) == 64


def test_avif_is_not_taken_for_heic(tmp_path: Path) -> None:
    path = save(tmp_path / "a.avif", picture(30, 20), quality=100)
    np.testing.assert_allclose(read_photo(path).pixels.astype(int), picture(30, 20), atol=12)


def test_no_damage_raises_anything_but_a_reason(tmp_path: Path) -> None:
    """Each decoder has errors of its own; AVIF's are RuntimeErrors."""
    rng = np.random.default_rng(0)
    reasons = 0
    for suffix in ("jpg", "png", "webp", "bmp", "tif", "gif", "avif", "jp2", "ppm"):
        whole = save(tmp_path / f"a.{suffix}", picture(40, 30)).read_bytes()
        for cut in [False, True] * 30:
            data = np.frombuffer(whole, np.uint8).copy()
            data[rng.integers(0, len(data), 8)] = rng.integers(0, 256, 8)
            end = rng.integers(len(data) // 2, len(data)) if cut else len(data)
            (tmp_path / "damaged").write_bytes(data[:end].tobytes())
            try:
                assert read_photo(tmp_path / "damaged").pixels.ndim == 3
            except BadPhoto as bad:
                assert bad.reason and len(bad.sha256) == 64
                reasons += 1
    assert reasons > 100


def test_truncation_is_noticed_even_where_another_library_asked_not_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    (tmp_path / "a.jpg").write_bytes(jpeg(picture(200, 200))[:1500])
    with pytest.raises(BadPhoto, match="truncated"):
        read_photo(tmp_path / "a.jpg")


def test_a_jpeg_that_lacks_its_last_bytes_is_a_reject_or_whole(tmp_path: Path) -> None:
    """The last two bytes mark the end and carry no pixels."""
    data = jpeg(picture(200, 200))
    (tmp_path / "whole.jpg").write_bytes(data)
    whole = read_photo(tmp_path / "whole.jpg").pixels
    for lost in range(1, 40):
        (tmp_path / "a.jpg").write_bytes(data[:-lost])
        try:
            np.testing.assert_array_equal(read_photo(tmp_path / "a.jpg").pixels, whole)
        except BadPhoto as bad:
            assert "truncated" in bad.reason


def test_a_file_that_went_away_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(BadPhoto, match="missing: no such file"):
        read_photo(tmp_path / "gone.jpg")


def test_a_photo_in_a_closed_folder_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", refuse)
    with pytest.raises(BadPhoto, match="unreadable: Permission denied"):
        read_photo(tmp_path / "a.jpg")


def test_a_photo_that_may_not_be_opened_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.jpg").write_bytes(b"x")
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadPhoto, match="unreadable: Permission denied"):
        read_photo(tmp_path / "a.jpg")
