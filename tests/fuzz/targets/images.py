"""Photos: the gate of stage 1 and of the exported program."""

from __future__ import annotations

import io
import zlib
from random import Random
from typing import Any, Final

import numpy as np
from PIL import Image

from faces.photos.files import BadPhoto
from faces.photos.gate import PNG
from preprocess.sources.photo import read_photo
from tests.fuzz.mutate import mutate
from tests.fuzz.target import Case, Target, placed
from tests.helpers.pictures import picture

MEGAPIXELS: Final = 2
"""Largest photo, so that a header that lies costs no gigabytes."""
_EXIF: Final = Image.Exif()
_EXIF[0x0112] = 6


def _seeds() -> list[tuple[str, bytes]]:
    """Small pictures of every kind that is read, by suffix."""
    colours = Image.fromarray(picture(20, 24, seed=1))
    alpha, grey = colours.convert("RGBA"), colours.convert("L")
    alpha.putalpha(grey)
    deep = Image.fromarray(np.arange(480, dtype=np.uint16).reshape(20, 24) * 100)
    kinds: list[tuple[str, Image.Image, dict[str, Any]]] = [
        (".jpg", colours, {"quality": 90}),
        (".jpg", colours, {"progressive": True, "exif": _EXIF}),
        (".jpg", grey, {"restart_marker_rows": 1}),
        (".jpg", colours.convert("CMYK"), {}),
        (".png", colours, {}),
        (".png", alpha, {"exif": _EXIF}),
        (".png", colours.quantize(16), {"transparency": 3}),
        (".png", deep, {}),
        (".webp", colours, {"quality": 60}),
        (".webp", alpha, {"lossless": True}),
        (".webp", colours, {"save_all": True, "append_images": [grey.convert("RGB")]}),
        *(
            (".tif", colours, {"compression": how})
            for how in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg")
        ),
        (".tif", deep, {}),
        (".gif", colours, {"save_all": True, "append_images": [grey.convert("RGB")]}),
        (".bmp", colours, {}),
        (".jp2", colours, {}),
        (".mpo", colours, {"save_all": True, "append_images": [colours]}),
        (".ppm", colours, {}),
        (".avif", colours, {}),
    ]
    found = []
    for suffix, image, options in kinds:
        buffer = io.BytesIO()
        image.save(buffer, Image.registered_extensions()[suffix], **options)
        found.append((suffix, buffer.getvalue()))
    return found


def _mended_png(data: bytes) -> bytes:
    """A PNG whose checksums are right again, so that what is behind them is reached."""
    parts, at = [data[: len(PNG)]], len(PNG)
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        part = data[at : end - 4]
        parts += [part, zlib.crc32(part[4:]).to_bytes(4)]
        at = end
    return b"".join(parts)


def _target(read: Any, refuses: type[Exception]) -> Target:
    seeds = _seeds()
    others = [data for _, data in seeds]

    def make(random: Random) -> Case:
        suffix, data = random.choice(seeds)
        data = mutate(data, others, random)
        if data.startswith(PNG) and random.random() < 0.7:
            data = _mended_png(data)
        return Case(f"photo{suffix}", data)

    return Target(
        make=make,
        read=lambda case, folder: read(placed(case, folder)),
        refuses=(refuses,),
        names_file=False,  # the reason stands beside the file's name in rejects.csv
    )


def images() -> Target:
    """`preprocess.sources.photo.read_photo`."""
    return _target(lambda path: read_photo(path, max_megapixels=MEGAPIXELS), BadPhoto)
