"""Whole runs over every kind of bad or odd file: each is used with the right pixels, or is one row of
rejects.csv, and the other photos' crops are those of a run without it."""

import functools
import hashlib
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from faces.cache import Cache
from preprocess.run import preprocess
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import small, small_photos

GOOD = 6
PICTURE = np.repeat(np.repeat(picture(6, 6), 3, axis=0), 3, axis=1)
"""18 x 18 pixels of few colours, so that a palette holds them all."""
GREY = np.repeat(PICTURE[..., :1], 3, axis=2)
WHITE_BELOW = np.concatenate([PICTURE[:9], np.full((9, 18, 3), 255, np.uint8)])


def encode(pixels: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def rgba() -> np.ndarray:
    alpha = np.full((18, 18, 1), 255, np.uint8)
    alpha[9:] = 0
    return np.concatenate([PICTURE, alpha], axis=2)


def animation() -> bytes:
    frames = [Image.fromarray(pixels).quantize(64) for pixels in (PICTURE, 255 - PICTURE)]
    return encode(frames[0], "GIF", save_all=True, append_images=frames[1:])


def png16(pixels: np.ndarray) -> bytes:
    """Every channel 37 above its upper 8 bits."""
    return cv2.imencode(".png", pixels[..., ::-1].astype(np.uint16) * 256 + 37)[1].tobytes()


USED: dict[str, tuple[Callable[[], bytes], np.ndarray, int]] = {
    "CMYK JPEG": (lambda: encode(Image.fromarray(PICTURE).convert("CMYK"), "JPEG", quality=100), PICTURE, 6),
    "grey JPEG": (lambda: encode(GREY[..., 0], "JPEG", quality=100), GREY, 6),
    "RGBA PNG": (lambda: encode(rgba(), "PNG"), WHITE_BELOW, 0),
    "palette PNG": (lambda: encode(Image.fromarray(PICTURE).quantize(64), "PNG"), PICTURE, 0),
    "WebP": (lambda: encode(PICTURE, "WEBP", lossless=True), PICTURE, 0),
    "PNG named .jpg": (lambda: encode(PICTURE, "PNG"), PICTURE, 0),
    "16-bit grey PNG": (lambda: png16(GREY[..., :1]), GREY, 0),
    "16-bit colour PNG": (lambda: png16(PICTURE), PICTURE, 0),
    "animated GIF": (animation, PICTURE, 0),
    "AVIF": (lambda: encode(PICTURE, "AVIF", quality=100, subsampling="4:4:4"), PICTURE, 6),
    "name not UTF-8 \udcff": (lambda: encode(PICTURE, "PNG"), PICTURE, 0),
}
"""By file name without .jpg: the bytes, the pixels, and how far a lossy format may be off in the mean."""


@functools.cache
def bomb() -> bytes:
    return encode(Image.new("1", (20_000, 20_000)), "PNG")


def cut(data: bytes) -> bytes:
    return data[: len(data) * 3 // 4]


def broken_avif() -> bytes:
    data = bytearray(encode(PICTURE, "AVIF"))
    data[-40:] = bytes(40)
    return bytes(data)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)
LOST: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated JPEG": (lambda: cut(encode(picture(90, 90), "JPEG")), "damaged: .*truncated"),
    "truncated PNG": (lambda: cut(encode(picture(90, 90), "PNG")), "damaged: "),
    "damaged AVIF": (broken_avif, "damaged: "),
    "zero bytes": (lambda: b"", "empty file"),
    "text": (lambda: b"hello, I am no photo", "not an image of a known format"),
    "HEIC": (lambda: HEIC, "HEIC .*convert it to JPEG"),
    "20,000 x 20,000 PNG": (bomb, "too large: 20000 x 20000 is 400000000 pixels, the limit is 89 million"),
    "damaged, name not UTF-8 \udcfe": (lambda: b"\xff\xd8\xff", "not an image|damaged"),
}
"""By file name without .jpg: the bytes, and the reason."""
NO_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "symlink loop": (lambda path: path.symlink_to(path.name), "broken link: Too many levels of symbolic"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "broken link: No such file"),
    "fifo": (os.mkfifo, "not a regular file but a named pipe"),
}
NO_ROWS: dict[str, Callable[[Path], object]] = {
    "directory named": Path.mkdir,
    "._macOS": lambda path: path.write_bytes(b"\0\5\x16\7"),
    "empty directory/deeper": lambda path: path.mkdir(parents=True),
}


def write_all(data: Path) -> None:
    """Good photos, and one file of every kind."""
    small_photos(data, GOOD)
    for name, (contents, *_) in {**USED, **LOST}.items():
        (data / f"{name}.jpg").write_bytes(contents())
    for name, (make, _) in NO_FILES.items():
        make(data / f"{name}.jpg")
    for name, make_any in NO_ROWS.items():
        make_any(data / f"{name}.jpg")
    for name, (_, pixels, _) in USED.items():
        save(data / f"twin of {name}.png", pixels)


def crops(cache: Cache) -> dict[str, np.ndarray]:
    data = cache.encoded(np.arange(len(cache)))
    return {name: np.array(crop) for name, crop in zip(cache.index.image_id, data, strict=True)}


def escaped(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    folder = tmp_path_factory.mktemp("bad files")
    write_all(folder / "data")
    return preprocess(small(folder / "data", folder / "cache", codec="raw", shard_size=8))


def test_every_photo_is_a_crop_or_a_reject_once(mixed: Cache) -> None:
    used = [f"{name}.jpg" for name in USED] + [f"twin of {name}.png" for name in USED]
    used += [f"{number:03d}.png" for number in range(GOOD)]
    assert sorted(mixed.index.source) == sorted(map(escaped, used))
    lost = [f"{name}.jpg" for name in (*LOST, *NO_FILES)]
    assert sorted(mixed.rejects.source) == sorted(map(escaped, lost))
    assert len(mixed.index) + len(mixed.rejects) == len(used) + len(lost)


@pytest.mark.parametrize("name", USED)
def test_an_odd_file_is_used_with_its_pixels(mixed: Cache, name: str) -> None:
    """Its crop is that of a plain PNG of the same pixels."""
    found = crops(mixed)
    crop, twin = found[escaped(f"{name}.jpg")].astype(int), found[escaped(f"twin of {name}.png")].astype(int)
    assert np.abs(crop - twin).mean() <= USED[name][2]
    assert twin.std() > 30, "a blank crop would prove nothing"


@pytest.mark.parametrize("name", LOST)
def test_a_bad_file_is_a_reject_with_its_reason_and_hash(mixed: Cache, name: str) -> None:
    contents, reason = LOST[name]
    [reject] = mixed.rejects[mixed.rejects.source == escaped(f"{name}.jpg")].itertuples()
    assert reject.source_sha256 == hashlib.sha256(contents()).hexdigest()
    assert re.search(reason, reject.reason)


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_a_reject_that_was_never_opened(mixed: Cache, name: str) -> None:
    [reject] = mixed.rejects[mixed.rejects.source == f"{name}.jpg"].itertuples()
    assert reject.reason.startswith(NO_FILES[name][1])
    assert not isinstance(reject.source_sha256, str) or reject.source_sha256 == ""


def test_all_other_crops_are_those_of_a_run_without_bad_files(mixed: Cache, tmp_path: Path) -> None:
    small_photos(tmp_path / "data", GOOD)
    alone = crops(preprocess(small(tmp_path / "data", tmp_path / "cache", codec="raw")))
    among = crops(mixed)
    assert len(alone) == GOOD
    for name, crop in alone.items():
        np.testing.assert_array_equal(among[name], crop)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file; run as another user")
def test_a_file_that_may_not_be_read_is_a_reject(tmp_path: Path) -> None:
    small_photos(tmp_path / "data", 2)
    (tmp_path / "data" / "000.png").chmod(0)
    cache = preprocess(small(tmp_path / "data", tmp_path / "cache"))
    assert [*cache.rejects.source] == ["000.png"]
    assert [*cache.rejects.reason] == ["unreadable: Permission denied"]


def test_a_damaged_photo_may_be_repaired_and_is_then_taken(tmp_path: Path) -> None:
    """A run that lost too many photos goes on after the cure."""
    data = small_photos(tmp_path / "data", 4)
    whole = (data / "001.png").read_bytes()
    (data / "001.png").write_bytes(whole[:50])
    with pytest.raises(ValueError, match=r"max_lost=0.*"):
        preprocess(small(data, tmp_path / "cache", max_lost=0))
    (data / "001.png").write_bytes(whole)
    cache = preprocess(small(data, tmp_path / "cache", max_lost=0))
    assert len(cache) == 4 and not len(cache.rejects)


MEASURED = """
import resource, sys
from pathlib import Path
from tests.helpers.stage1 import small
from preprocess.run import preprocess
cache = preprocess(small(Path(sys.argv[1]), Path(sys.argv[2])))
print(len(cache), len(cache.rejects), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_memory(data: Path, cache: Path) -> tuple[int, int, int]:
    """Crops, rejects and the most memory in MB that a run in a process of its own took."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", MEASURED, str(data), str(cache)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root}
    )
    used, lost, kilobytes = map(int, run.stdout.splitlines()[-1].split())
    return used, lost, kilobytes // 1024


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    """Decoded, one of them takes 400 MB or more."""
    plain, bombs = small_photos(tmp_path / "plain", 4), small_photos(tmp_path / "bombs", 4)
    data = bomb()
    for number in range(20):
        (bombs / f"bomb{number}.png").write_bytes(data)
    before = peak_memory(plain, tmp_path / "cache of plain")
    after = peak_memory(bombs, tmp_path / "cache of bombs")
    assert before[:2] == (4, 0) and after[:2] == (4, 20)
    assert after[2] - before[2] < 100
