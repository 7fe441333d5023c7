"""What a file is by its first bytes, whatever it is called."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final, Literal

HEAD: Final = 512
"""Bytes that tell the kind of a file."""
PHOTO_SUFFIXES: Final = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif"),
        *(".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".jxl", ".ppm", ".pgm", ".psd"),
        *(".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf"),
    )
)
"""Names of photos, also of kinds that are not read, so that their loss is told; other files are opened."""


@dataclass(frozen=True)
class Kind:
    """What a file is."""

    name: str
    """With its article: a text file."""
    what: Literal["read", "picture", "other"] = "other"
    """Whether it is a picture that is read, another picture, or neither."""
    cure: str = ""
    """How to make a photo of it."""

    @property
    def reason(self) -> str:
        """Why it is not read as a photo."""
        what = f"{self.name}, which is not read" if self.what == "picture" else f"no photo but {self.name}"
        return f"{what}; {self.cure}" if self.cure else what


def _read(name: str) -> Kind:
    return Kind(name, "read")


def _picture(name: str) -> Kind:
    return Kind(name, "picture", "convert it to JPEG")


RAW: Final = _picture("a raw photo of a camera")
FLOATS: Final = _picture("a TIFF of floating-point numbers")
_TIFF: Final = _read("a TIFF")
_STARTS: Final[tuple[tuple[bytes, Kind], ...]] = (
    (rb"\xff\xd8\xff", _read("a JPEG")),
    (rb"\x89PNG\r\n\x1a\n", _read("a PNG")),
    (rb"GIF8[79]a", _read("a GIF")),
    (rb"BM.{4}\0{4}.\0\0\0", _read("a BMP")),
    (rb"RIFF.{4}WEBP", _read("a WebP")),
    (rb"II\*\0.{4}CR", RAW),
    (rb"(II\*\0|MM\0\*)", _TIFF),
    (rb".{4}ftypavi[fs]", _read("an AVIF")),
    (rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51", _read("a JPEG 2000")),
    (rb"P[56][ \t\r\n]+[#0-9]", _read("a PPM")),
    (rb".{4}ftyp(he[ivm][cfmsx]|mif1|msf1)", _picture("a HEIC (HEIF) photo")),
    (rb"\0\0\0\x0cJXL \r\n|\xff\x0a", _picture("a JPEG XL photo")),
    (rb".{4}ftypcrx |FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0|FOVb|\0MRM", RAW),
    (rb"II\xbc\x01", _picture("a JPEG XR photo")),
    (rb"8BPS", _picture("a Photoshop picture (PSD)")),
    (rb"gimp xcf", _picture("a GIMP picture (XCF)")),
    (rb"v/1\x01", _picture("an OpenEXR picture")),
    (rb"#\?RADIANCE", _picture("a Radiance picture (HDR)")),
    (rb".{128}DICM", _picture("a DICOM picture")),
    (rb"(\xef\xbb\xbf)?\s*(?i:(<\?xml.*)?<svg)", _picture("a drawing (SVG)")),
    (rb"%!PS", _picture("a PostScript drawing (EPS)")),
    (rb"\0\0\x01\0[^\0]\0", Kind("an icon (ICO)")),
    (rb"%PDF", Kind("a PDF document", cure="export its photos as JPEG")),
    (
        rb"\0.{3}(ftyp|moov|mdat|wide)|RIFF.{4}AVI |\x1aE\xdf\xa3|\0\0\x01[\xb3\xba]|FLV\x01|0&\xb2u",
        Kind("a video"),
    ),
    (rb"ID3[\x02-\x04]|OggS|fLaC|RIFF.{4}WAVE", Kind("a sound file")),
    (
        rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh\d|\xfd7zXZ|.{257}ustar",
        Kind("an archive", cure="unpack it"),
    ),
    (rb"\0\x05\x16[\0\x07]", Kind("a macOS companion file")),
    (
        rb"version https://git-lfs",
        Kind("a Git LFS pointer", cure="fetch the photo itself: git lfs pull"),
    ),
    (rb"PAR1", Kind("a Parquet table")),
    (rb"\xd0\xcf\x11\xe0", Kind("an Office document")),
    (
        rb"(\xef\xbb\xbf)?\s*(?i:<(!DOCTYPE html|html|head|body))",
        Kind("an HTML page", cure="fetch the photo again"),
    ),
    (rb"(\xef\xbb\xbf)?\s*(?i:<(\?xml|!DOCTYPE))", Kind("an XML file")),
)
_KINDS: Final = [(re.compile(start, re.DOTALL), kind) for start, kind in _STARTS]
_EMPTY: Final = Kind("an empty file")
_TEXT: Final = Kind("a text file")
UNKNOWN: Final = Kind("an unknown file")
_NO_TEXT: Final = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_DNG_VERSION, _SENSOR, _PICTURE_KIND, _INNER, _SAMPLES = 50706, 33421, 254, 330, 339
_SHORT, _FLOATING = 3, 3


def kind_of(head: bytes) -> Kind:
    """What a file is whose first `HEAD` bytes these are."""
    if not head:
        return _EMPTY
    for start, kind in _KINDS:
        if start.match(head):
            return kind
    is_text = not _NO_TEXT.search(head) or head.startswith((b"\xff\xfe", b"\xfe\xff"))
    return _TEXT if is_text else UNKNOWN


def unread_tiff(data: bytes) -> Kind | None:
    """What is not read though it is a TIFF: a raw photo, whose first picture is a small preview, or floating-
    point numbers, of which nobody knows which are black and white. None of any other file."""
    tags = _tiff_tags(data)
    previews = tags.get(_PICTURE_KIND) == 1 and _INNER in tags
    if _DNG_VERSION in tags or _SENSOR in tags or previews:
        return RAW
    return FLOATS if tags.get(_SAMPLES) == _FLOATING else None


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Tags of a TIFF's first picture with their values, or where these lie; {} of any other file."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if not order:
        return {}
    try:
        [place] = struct.unpack_from(f"{order}I", data, 4)
        [count] = struct.unpack_from(f"{order}H", data, place)
        entries = [struct.unpack_from(f"{order}HHI4s", data, place + 2 + 12 * i) for i in range(count)]
    except struct.error:
        return {}
    return {tag: _value(order, kind, size, value, data) for tag, kind, size, value in entries}


def _value(order: str, kind: int, count: int, value: bytes, data: bytes) -> int:
    """The first value of a tag, of which three 16-bit numbers lie elsewhere."""
    [number] = struct.unpack(f"{order}I", value)
    if kind != _SHORT:
        return int(number)
    if count > 2:
        value = data[number : number + 2].ljust(2, b"\0")
    return int(struct.unpack(f"{order}H", value[:2])[0])
