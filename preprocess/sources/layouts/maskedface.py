"""MaskedFace-Net: faces of FFHQ with a mask drawn on them, correctly (CMFD) and incorrectly (IMFD)."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

import pandas as pd

from preprocess.sources.listing import photo_row
from preprocess.sources.source import Layout, Place, Source

_FOLDERS: Final = ("CMFD", "IMFD")


def _recognises(place: Place) -> bool:
    return place.data.is_dir() and any(
        found.is_dir() for name in _FOLDERS for found in (place.data / name, *place.data.glob(f"*/{name}"))
    )


def _read(place: Place) -> Source:
    """The photos below CMFD and IMFD; the person is the number of the FFHQ face, which begins the name."""
    photos, masks, paths = [], [], []
    for path in place.paths:
        *folders, name = PurePosixPath(path).parts
        folder = next((part for part in folders if part in _FOLDERS), None)
        if folder:
            number = re.match(r"\d+", name)
            photos.append(photo_row(place.data, path, person=number[0] if number else ""))
            masks.append(folder)
            paths.append(path)
    if outside := len(place.paths) - len(photos):
        place.notes.append(f"{outside} photos are neither in CMFD nor in IMFD: left out")
    return Source(
        layout="maskedface",
        folder=place.data,
        photos=photos,
        cells=pd.DataFrame({"mask": masks}),
        where=lambda row: str(place.data / paths[row]),
    )


LAYOUT: Final[Layout] = (_recognises, _read)
