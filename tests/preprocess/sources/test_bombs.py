"""Small files that would take hours or all memory to read are refused at once, each by name."""

import io
import os
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faces.photos.files import BadPhoto
from preprocess.sources.photo import read_photo

PICTURE = np.full((40, 40, 3), 99, np.uint8)
MANY = "too many parts: "
LARGE = "too large: "


def encoded(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE).save(buffer, kind, **options)
    return buffer.getvalue()


def part(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + name + content + zlib.crc32(name + content).to_bytes(4)


def png(width: int, height: int, more: bytes = b"", pixels: bytes = b"") -> bytes:
    header = part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = pixels or zlib.compress((b"\0" + bytes(120)) * 40)
    return b"\x89PNG\r\n\x1a\n" + header + more + part(b"IDAT", pixels) + part(b"IEND", b"")


def jpeg_of(width: int, height: int) -> bytes:
    data = bytearray(encoded("JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def jpeg_with(more: bytes) -> bytes:
    data = encoded("JPEG")
    return data[:2] + more + data[2:]


def segment(mark: int, content: bytes) -> bytes:
    return b"\xff" + bytes([mark]) + (len(content) + 2).to_bytes(2) + content


def scans() -> bytes:
    data = encoded("JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 300 + b"\xff\xd9"


def gif_with(blocks: bytes) -> bytes:
    data = encoded("GIF")
    at = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    return data[:at] + b"\x21\xfe" + blocks + b"\0" + data[at:]


def many_pages(kind: str, count: int) -> bytes:
    frames = [Image.fromarray(np.full((40, 40, 3), n % 255, np.uint8)) for n in range(count)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def tiff_loop() -> bytes:
    data = bytearray(encoded("TIFF"))
    [at] = struct.unpack_from("<I", data, 4)
    [count] = struct.unpack_from("<H", data, at)
    struct.pack_into("<I", data, at + 2 + 12 * count, at)
    return bytes(data)


def big_tiff() -> bytes:
    tags = struct.pack("<HHQQ", 256, 4, 1, 40) * 100_000
    return b"II+\0" + struct.pack("<HHQQ", 8, 0, 16, 100_000) + tags


def jpeg2000_of(width: int, height: int) -> bytes:
    data = bytearray(encoded("JPEG2000"))
    at = data.index(b"ihdr")
    data[at + 4 : at + 12] = struct.pack(">II", height, width)
    return bytes(data)


BOMB = zlib.compress(bytes(50_000_000), 9)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "PNG of 1 x 2**31": (lambda: png(1, 2**31 - 1), LARGE),
    "PNG of 2**31 x 1": (lambda: png(2**31 - 1, 1), LARGE),
    "PNG of a million texts": (lambda: png(40, 40, part(b"tEXt", b"a\0b") * 1_000_000), MANY),
    "JPEG of 65,500 x 65,500": (lambda: jpeg_of(65_500, 65_500), LARGE),
    "JPEG of a thousand previews": (
        lambda: jpeg_with(segment(0xE1, b"Exif\0\0" + bytes(60_000)) * 300),
        MANY,
    ),
    "JPEG of a million comments": (lambda: jpeg_with(b"\xff\xfe\0\2" * 1_000_000), MANY),
    "JPEG of 300 scans": (scans, MANY),
    "GIF of 65,535 x 65,535": (lambda: encoded("GIF")[:6] + b"\xff\xff\xff\xff" + encoded("GIF")[10:], LARGE),
    "GIF of a comment in pieces": (lambda: gif_with(b"\1x" * 1_000_000), MANY),
    "TIFF of 100,000 tags": (big_tiff, MANY),
    "TIFF of 2**32 values": (
        lambda: b"II*\0" + struct.pack("<IHHHIII", 8, 1, 273, 4, 2**32 - 1, 8, 0),
        "damaged: ",
    ),
    "JPEG 2000 of 2**31 x 2**31": (lambda: jpeg2000_of(2**31, 2**31), LARGE),
    "JPEG 2000 of a million boxes": (
        lambda: encoded("JPEG2000")[:12] + struct.pack(">I4s", 8, b"free") * 1_000_000,
        MANY,
    ),
    "PPM with a comment": (lambda: b"P6\n#" + b"a" * 1_000_000 + b"\n40 40 255\n" + bytes(4800), MANY),
    "PPM of 99,999,999 x 99,999,999": (lambda: b"P6 99999999 99999999 255\n", LARGE),
    "BMP of 2**31 x 2**31": (
        lambda: b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6),
        LARGE,
    ),
}
USED: dict[str, Callable[[], bytes]] = {
    "PNG with a text of 50 MB": lambda: png(40, 40, part(b"zTXt", b"a\0\0" + BOMB)),
    "PNG with a profile of 50 MB": lambda: png(40, 40, part(b"iCCP", b"a\0\0" + BOMB)),
    "PNG whose pixels go on for 50 MB": lambda: png(40, 40, pixels=BOMB),
    "PNG of 2**31 frames": lambda: png(40, 40, part(b"acTL", struct.pack(">II", 2**31 - 1, 0))),
    "GIF of 1,000 frames": lambda: many_pages("GIF", 1000),
    "TIFF of 300 pages": lambda: many_pages("TIFF", 300),
    "WebP of 300 frames": lambda: many_pages("WEBP", 300),
    "MPO of 300 pictures": lambda: many_pages("MPO", 300),
    "TIFF whose pages go in a circle": tiff_loop,
    "JPEG with a profile of 6 MB": lambda: jpeg_with(
        b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([n, 100]) + bytes(60_000)) for n in range(1, 101))
    ),
}
"""What is whole and has more beside its pixels, of which nothing is unpacked."""


@pytest.mark.parametrize("name", REFUSED)
def test_a_bomb_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(REFUSED[name][0]())
    with pytest.raises(BadPhoto) as refused:
        read_photo(tmp_path / "a.jpg")
    assert refused.value.reason.startswith(REFUSED[name][1])
    assert len(refused.value.sha256) == 64


@pytest.mark.parametrize("name", USED)
def test_what_lies_beside_the_pixels_is_not_unpacked(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(USED[name]())
    assert read_photo(tmp_path / "a.jpg").pixels.shape == PICTURE.shape


def test_a_file_beyond_any_photo_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(4 * 2**30)
    with pytest.raises(BadPhoto, match=r"too large: 4294967296 bytes, the limit is 200000000"):
        read_photo(tmp_path / "a.jpg")


MEASURED = """
import resource, sys
from pathlib import Path
from faces.photos.files import BadPhoto
from preprocess.sources.photo import read_photo
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        read_photo(path)
    except BadPhoto:
        pass
after = resource.getrusage(resource.RUSAGE_SELF)
print((after.ru_maxrss - before) // 1024, after.ru_utime)
"""


@pytest.mark.slow
def test_all_bombs_together_take_little_memory(tmp_path: Path) -> None:
    """The largest is a file of 18 MB, which is held twice."""
    for number, make in enumerate([*(make for make, _ in REFUSED.values()), *USED.values()]):
        (tmp_path / f"{number}.jpg").write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    megabytes, _ = done.stdout.split()
    assert int(megabytes) < 150


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    """A pipe would wait for ever, a device have no end."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "users.jpg").symlink_to("/etc/passwd")
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.jpg"))
        reasons = {}
        for path in sorted(tmp_path.iterdir()):
            with pytest.raises(BadPhoto) as refused:
                read_photo(path)
            reasons[path.stem] = refused.value.reason
    assert reasons == {
        "circle": "broken link: Too many levels of symbolic links",
        "folder": "not a regular file but a folder",
        "pipe": "not a regular file but a named pipe",
        "socket": "not a regular file but a socket",
        "users": "no photo but a text file",
        "zero": "not a regular file but a device",
    }
