"""Every kind of odd file that people have among their photos, each a row of docs/preprocess.md."""

import functools
import io
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tests.helpers.pictures import picture

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


def no_alpha() -> np.ndarray:
    return np.dstack([PICTURE, np.zeros((18, 18), np.uint8)])


def png_with(name: bytes, content: bytes, flaw: int = 0) -> bytes:
    """A PNG with a part more, whose check is wrong by `flaw`."""
    png = encode(PICTURE, "PNG")
    check = zlib.crc32(name + content) ^ flaw
    return png[:33] + len(content).to_bytes(4) + name + content + check.to_bytes(4) + png[33:]


def two_pictures() -> bytes:
    other = [Image.fromarray(255 - PICTURE)]
    return encode(PICTURE, "MPO", save_all=True, append_images=other, quality=100, subsampling=0)


LONG = b"x\0\0" + zlib.compress(bytes(2_000_000))
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
    "JPEG 2000": (lambda: encode(PICTURE, "JPEG2000"), PICTURE, 0),
    "PPM": (lambda: encode(PICTURE, "PPM"), PICTURE, 0),
    "MPO of two pictures": (two_pictures, PICTURE, 6),
    "JPEG named .jpe": (lambda: encode(PICTURE, "JPEG", quality=100, subsampling=0), PICTURE, 6),
    "JPEG named .JPG_1": (lambda: encode(PICTURE, "JPEG", quality=100, subsampling=0), PICTURE, 6),
    "PNG without a suffix": (lambda: encode(PICTURE, "PNG"), PICTURE, 0),
    "PNG with alpha 0 everywhere": (lambda: encode(no_alpha(), "PNG"), PICTURE, 0),
    "PNG with a colour profile above 1 MiB": (lambda: png_with(b"iCCP", LONG), PICTURE, 0),
    "PNG with a text above 1 MiB": (lambda: png_with(b"zTXt", LONG), PICTURE, 0),
    "PNG with a damaged text": (lambda: png_with(b"tEXt", b"a\0b", flaw=1), PICTURE, 0),
}
"""By row: the bytes, the pixels, and how far a lossy format may be off in the mean."""
NAMES = {
    "JPEG 2000": "photo.jp2",
    "PPM": "photo.ppm",
    "MPO of two pictures": "photo.mpo",
    "JPEG named .jpe": "named.jpe",
    "JPEG named .JPG_1": "named.JPG_1",
    "PNG without a suffix": "without a suffix",
    "JPEG XL": "photo.jxl",
    "DNG": "photo.dng",
    "PSD": "photo.psd",
    "SVG": "drawing.svg",
    "float TIFF": "photo.tif",
}
"""What the files of some rows are called; the others are called as their row, with .jpg."""


def file_of(row: str) -> str:
    return NAMES.get(row, f"{row}.jpg")


@functools.cache
def bomb() -> bytes:
    return encode(Image.new("1", (20_000, 20_000)), "PNG")


def cut(data: bytes) -> bytes:
    return data[: len(data) * 3 // 4]


def broken_avif() -> bytes:
    data = bytearray(encode(PICTURE, "AVIF"))
    data[-40:] = bytes(40)
    return bytes(data)


def dng() -> bytes:
    """A raw photo as far as its beginning goes: a preview that could be read, and DNG's version."""
    return encode(PICTURE, "TIFF", tiffinfo={50706: b"\1\4\0\0"})


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n"
MOVIE = b"\0\0\0\x14ftypqt  \0\0\0\0qt  "
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(2000)
LOST: dict[str, tuple[Callable[[], bytes], str]] = {
    "truncated JPEG": (lambda: cut(encode(picture(90, 90), "JPEG")), "damaged: .*truncated"),
    "truncated PNG": (lambda: cut(encode(picture(90, 90), "PNG")), "damaged: "),
    "damaged AVIF": (broken_avif, "damaged: "),
    "zero bytes": (lambda: b"", "empty file"),
    "noise": (lambda: b"\1\2\3\4" * 99, "not an image of a known format"),
    "text": (lambda: b"hello, I am no photo", "no photo but a text file"),
    "HTML page": (lambda: b"<!DOCTYPE html><title>404</title>", "no photo but an HTML page; fetch the photo"),
    "Git LFS pointer": (lambda: POINTER, "no photo but a Git LFS pointer; .*git lfs pull"),
    "video": (lambda: MOVIE, "no photo but a video"),
    "PDF": (lambda: b"%PDF-1.7\n", "no photo but a PDF document; export its photos as JPEG"),
    "HEIC": (lambda: HEIC, "HEIC .*convert it to JPEG"),
    "JPEG XL": (lambda: b"\xff\x0a" + bytes(99), "a JPEG XL photo, which is not read; convert it to JPEG"),
    "DNG": (dng, "a raw photo of a camera, which is not read; convert it to JPEG"),
    "PSD": (lambda: b"8BPS\0\1" + bytes(99), "a Photoshop picture .*convert it to JPEG"),
    "SVG": (lambda: b'<?xml version="1.0"?>\n<svg xmlns="a"/>', r"a drawing \(SVG\), .*convert it to JPEG"),
    "float TIFF": (
        lambda: encode(Image.fromarray(GREY[..., 0].astype(np.float32)), "TIFF"),
        "a TIFF of floating-point numbers, which is not read; convert it to JPEG",
    ),
    "20,000 x 20,000 PNG": (bomb, "too large: 20000 x 20000 is 400000000 pixels, the limit is 89 million"),
    "damaged with a name not UTF-8 \udcfe": (lambda: b"\xff\xd8\xff", "not an image|damaged"),
}
"""By row: the bytes, and the reason."""
NO_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "symlink loop": (lambda path: path.symlink_to(path.name), "broken link: Too many levels of symbolic"),
    "broken link": (lambda path: path.symlink_to("nowhere"), "broken link: No such file"),
    "fifo": (os.mkfifo, "not a regular file but a named pipe"),
}
NO_ROWS: dict[str, Callable[[Path], object]] = {
    "folder called like a photo": Path.mkdir,
    "empty folder/deeper": lambda path: path.mkdir(parents=True),
}
LEFT_OUT: dict[str, tuple[bytes, str]] = {
    "README.txt": (b"hello", "a text file"),
    "people.csv": (b"path,mask\n", "a text file"),
    "list.json": (b"[]", "a text file"),
    "list.xml": (b"<?xml version='1.0'?><a/>", "an XML file"),
    "Thumbs.db": (b"\xd0\xcf\x11\xe0", "a system file"),
    "desktop.ini": (b"[.ShellClassInfo]", "a system file"),
    ".DS_Store": (b"\0\0\0\1Bud1", "a hidden file"),
    "._macOS.jpg": (b"\0\5\x16\7", "a hidden file"),
    "movie.mov": (MOVIE, "a video"),
    "scan.pdf": (b"%PDF-1.7\n", "a PDF document"),
    "more.zip": (b"PK\3\4" + bytes(40), "an archive"),
    "weights": (POINTER, "a Git LFS pointer"),
    "nothing": (b"", "an empty file"),
    "noise.bin": (b"\1\2\3\4" * 99, "an unknown file"),
}
"""By file name: the bytes, and what is left out."""
TOOL_FOLDERS = (".ipynb_checkpoints", ".Trash-0", "@eaDir", "#recycle", "__MACOSX", "lost+found")
