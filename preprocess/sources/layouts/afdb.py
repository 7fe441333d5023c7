"""AFDB, the real-world faces of RMFD: a folder for each person, once with masks and once without."""

from __future__ import annotations

from typing import Final

from preprocess.sources.layouts.named_folders import has_folders, named_source
from preprocess.sources.source import Layout, Place, Source

_FOLDERS: Final = {"AFDB_masked_face_dataset": "with_mask", "AFDB_face_dataset": "without_mask"}


def _recognises(place: Place) -> bool:
    return has_folders(place, _FOLDERS)


def _read(place: Place) -> Source:
    """The photos <folder>/<person>/*; a person is the same in both folders."""
    elsewhere = f"in no person's folder of {' or '.join(_FOLDERS)}"
    return named_source(
        place, "afdb", _FOLDERS, lambda below: below[0] if len(below) > 1 else None, elsewhere
    )


LAYOUT: Final[Layout] = (_recognises, _read)
