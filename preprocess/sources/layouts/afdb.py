"""AFDB, the real-world faces of RMFD: a folder for each person, once with masks and once without."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

import pandas as pd

from preprocess.sources.listing import photo_row
from preprocess.sources.source import Layout, Place, Source

_FOLDERS: Final = {"AFDB_masked_face_dataset": "with_mask", "AFDB_face_dataset": "without_mask"}


def _recognises(place: Place) -> bool:
    return place.data.is_dir() and any(
        found.is_dir() for name in _FOLDERS for found in (place.data / name, *place.data.glob(f"*/{name}"))
    )


def _read(place: Place) -> Source:
    """The photos <folder>/<person>/*; a person is the same in both folders."""
    photos, masks, paths = [], [], []
    for path in place.paths:
        parts = PurePosixPath(path).parts
        at = next((at for at, part in enumerate(parts) if part in _FOLDERS), len(parts))
        if at + 2 < len(parts):
            photos.append(photo_row(place.data, path, person=parts[at + 1]))
            masks.append(_FOLDERS[parts[at]])
            paths.append(path)
    if outside := len(place.paths) - len(photos):
        place.notes.append(f"{outside} photos are in no person's folder of {' or '.join(_FOLDERS)}: left out")
    return Source(
        layout="afdb",
        folder=place.data,
        photos=photos,
        cells=pd.DataFrame({"mask": masks}),
        where=lambda row: str(place.data / paths[row]),
    )


LAYOUT: Final[Layout] = (_recognises, _read)
