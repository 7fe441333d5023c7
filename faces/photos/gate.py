"""The one gate for photos: opens a file that says it is one, or gives the reason why it cannot be used.

Decoders disagree on damaged files: OpenCV returns half an image of a truncated JPEG, DALI ends the whole
pipeline. So each photo is decoded in full here, once, by Pillow, which notices truncation.
What no decoder notices: wrong bytes within the data of a JPEG, which show as wrong pixels, and the loss of
the last few bytes where all pixels are there.
"""

from __future__ import annotations

import hashlib
import os
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from faces.photos.files import BadPhoto, open_file
from faces.photos.kinds import HEAD, UNKNOWN, kind_of, unread_tiff
from faces.photos.ration import MOST_PIECES, RationedBytes, RationedFile, TooMuchError, check_scans

BYTES_LIMIT = 200_000_000
HEADER_FIRST = 4_000_000
"""Bytes of a file above which its header is checked before the rest is read into memory."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")
"""What is opened, whatever the file is called; left to itself Pillow would hand an EPS to Ghostscript."""
PNG = b"\x89PNG\r\n\x1a\n"
LATE = (PNG, b"II*\0", b"MM\0*")
"""Beginnings of the files of which more than the header tells whether they are read: PNG and TIFF."""
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of each EXIF orientation upright; 1 is."""
# Pillow's own limit would refuse photos that `max_megapixels` allows, and its check by warnings is not one of
# a thread. Each photo's size is compared below, before it is decoded.
Image.MAX_IMAGE_PIXELS = None
Image.init()  # Pillow knows only some of `FORMATS` before
warnings.filterwarnings("ignore", module=r"PIL\.")


def open_photo(path: Path, *, max_megapixels: int = 89) -> tuple[Image.Image, str]:
    """Read and decode a photo, as the first frame of an animation.

    Its EXIF orientation is applied; transparency is laid on white, but ignored where it is everywhere; 16
    bits become their upper 8. Colour profiles are ignored, as loaders for training do, so neither they nor
    texts that are too long or damaged are in a PNG's way; no metadata is carried on.

    Args:
        path: opened only if it is a regular file.
        max_megapixels: most pixels, in millions, by the header. Decoding takes up to 20 bytes a pixel.

    Returns:
        The photo, decoded, upright and in RGB, and the hex sha256 of the file's bytes.

    Raises:
        BadPhoto: not a regular file, unreadable, empty, no image, of a kind that is not read, truncated or
            damaged, more than `max_megapixels` or than `BYTES_LIMIT` bytes.
    """
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > BYTES_LIMIT:
            raise BadPhoto(f"too large: {size} bytes, the limit is {BYTES_LIMIT}")
        try:
            if size > HEADER_FIRST:
                _judge_header(file, max_megapixels)
            data = file.read()
        except BadPhoto as bad:
            file.seek(0)
            raise BadPhoto(bad.reason, hashlib.file_digest(file, "sha256").hexdigest()) from bad
        except OSError as error:
            raise BadPhoto(f"unreadable: {error.strerror}") from error
    return decode_photo(data, max_megapixels=max_megapixels)


def decode_photo(data: bytes, *, max_megapixels: int = 89) -> tuple[Image.Image, str]:
    """`open_photo` of a file's bytes."""
    sha256 = hashlib.sha256(data).hexdigest()
    if not data:
        raise BadPhoto("empty file", sha256)
    try:
        return _decode(data, max_megapixels), sha256
    except BadPhoto as bad:
        if data.startswith(PNG) and (bare := _without_texts(data)) != data:
            with suppress(BadPhoto):
                return _decode(bare, max_megapixels), sha256
        raise BadPhoto(bad.reason, sha256) from bad


def _judge_header(file: RationedFile, max_megapixels: int) -> None:
    """Refuse a file by its header, but a PNG or TIFF only for its size: the rest of it tells more."""
    late = file.peek().startswith(LATE)
    try:
        _recognise(file, max_megapixels)
    except BadPhoto as bad:
        if not late or bad.reason.startswith("too large"):
            raise
    file.seek(0)


def _recognise(file: RationedBytes | RationedFile, max_megapixels: int) -> ImageFile.ImageFile:
    """The image of a file, of which no more than the header is decoded."""
    try:
        image = Image.open(file, formats=FORMATS)
    except MemoryError:
        raise
    except TooMuchError as error:
        raise BadPhoto(str(error)) from error
    except Exception as error:  # see `_decode`
        file.seek(0)
        raise BadPhoto(_why_not(file.read(HEAD), error)) from error
    pixels = image.width * image.height
    if pixels > max_megapixels * 1_000_000:
        raise BadPhoto(
            f"too large: {image.width} x {image.height} is {pixels} pixels, the limit is "
            f"{max_megapixels} million (max_megapixels)"
        )
    return image


def _why_not(head: bytes, error: Exception) -> str:
    """Why a file of these first bytes does not open as a photo."""
    kind = kind_of(head)
    if kind is UNKNOWN:
        return "not an image of a known format"
    if kind.what != "read":
        return kind.reason
    if isinstance(error, UnidentifiedImageError):
        return f"damaged: begins as {kind.name} and is not readable as one"
    return f"damaged: {error}"


def _decode(data: bytes, max_megapixels: int) -> Image.Image:
    # Another library may have set grey areas instead of errors.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    if kind := unread_tiff(data):
        raise BadPhoto(kind.reason)
    file = RationedBytes(data)
    with _recognise(file, max_megapixels) as image:
        file.size_known()
        try:
            check_scans(data)
            image.load()
            return _to_rgb(_upright(image))
        except MemoryError:
            raise  # the machine's fault, not the photo's: its size was checked
        except TooMuchError as error:
            raise BadPhoto(str(error)) from error
        except Exception as error:
            # Pillow's decoders share no narrower class: of 98,000 damaged files, 906 AVIF raised RuntimeError
            # and a TIFF TypeError, and no file may end the run.
            raise BadPhoto(f"damaged: {error}") from error


def _without_texts(png: bytes) -> bytes:
    """A PNG without what its pixels do not need: texts, colour profiles and the like, sound or damaged.

    What is transparent stays, and which side is up, unless that is damaged. Of very many parts all stay.
    """
    parts, at = [PNG], len(PNG)
    for _ in range(MOST_PIECES):
        if at >= len(png):
            return b"".join(parts)
        part = png[at : at + 12 + int.from_bytes(png[at : at + 4], "big")]
        name, at = part[4:8], at + len(part)
        sound = zlib.crc32(part[4:-4]) == int.from_bytes(part[-4:], "big")
        if name[:1].isupper() or name == b"tRNS" or (name == b"eXIf" and sound):
            parts.append(part)
    return png


def _upright(image: Image.Image) -> Image.Image:
    """Turn the image by its EXIF orientation; damaged EXIF is no reason to lose the photo."""
    try:
        turn = UPRIGHT.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # see `_decode`
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode == "F":
        raise ValueError("floating-point pixels are not supported")
    if image.mode.startswith("I"):
        # Pillow would clip 16 bits to 255 and return a white photo.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() == (0, 0):
            return image.convert("RGB")  # an alpha channel that nobody filled
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")
