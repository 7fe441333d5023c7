"""Reads one photo, or says why it cannot be used.

Decoders disagree on damaged files: OpenCV returns half an image of a truncated JPEG, DALI ends the whole
pipeline. So each photo is decoded in full here, once, by Pillow, which tells truncation from a whole file.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]
"""uint8 [height, width, 3], RGB, 0 to 255."""
BYTES_LIMIT = 200_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF")
"""What is opened, whatever the file is called; left to itself Pillow would hand an EPS to Ghostscript."""
DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow's decoders are known to raise on damaged files."""


class BadPhoto(Exception):
    """A photo that cannot be used. `reason` is for people; `sha256` is "" where the bytes were not read."""

    def __init__(self, reason: str, sha256: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.sha256 = sha256


@dataclass(frozen=True)
class Photo:
    """A decoded photo, upright."""

    pixels: Pixels
    sha256: str
    """Hex sha256 of the file's bytes."""


def read_photo(path: Path) -> Photo:
    """Read and decode a photo; its EXIF orientation is applied, transparency is laid on white.

    Raises:
        BadPhoto: not readable, empty, no image, truncated or damaged, or too large: over `BYTES_LIMIT` bytes
            or Pillow's limit of 89 million pixels, which is checked before anything is decoded.
    """
    try:
        size = path.stat().st_size
        if size > BYTES_LIMIT:
            raise BadPhoto(f"too large: {size} bytes, the limit is {BYTES_LIMIT}")
        data = path.read_bytes()
    except OSError as error:
        raise BadPhoto(f"unreadable: {error.strerror}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        raise BadPhoto("empty file", sha256)
    try:
        return Photo(_decode(data), sha256)
    except UnidentifiedImageError as error:
        raise BadPhoto("not an image of a known format", sha256) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadPhoto(f"too large: {error}", sha256) from error
    except DECODE_ERRORS as error:
        raise BadPhoto(f"damaged: {error}", sha256) from error


def _decode(data: bytes) -> Pixels:
    Image.init()  # Pillow knows only some of `FORMATS` before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            image.load()
            upright = _upright(image)
            return np.array(_to_rgb(upright))


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image as its EXIF orientation says; damaged EXIF is no reason to lose the photo."""
    try:
        return ImageOps.exif_transpose(image)
    except DECODE_ERRORS:
        return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    if image.mode == "F":
        raise ValueError("floating-point pixels are not supported")
    if image.mode.startswith("I"):
        # Pillow would clip 16 bits to 255 and return a white photo.
        return Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
