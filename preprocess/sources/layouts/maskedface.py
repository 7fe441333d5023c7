"""MaskedFace-Net: faces of FFHQ with a mask drawn on them, correctly (CMFD) and incorrectly (IMFD)."""

from __future__ import annotations

import re
from typing import Final

from preprocess.sources.layouts.named_folders import has_folders, named_source
from preprocess.sources.source import Layout, Place, Source

_FOLDERS: Final = {name: name for name in ("CMFD", "IMFD")}
"""The folders' names are words for the mask themselves."""


def _recognises(place: Place) -> bool:
    return has_folders(place, _FOLDERS)


def _read(place: Place) -> Source:
    """The photos below CMFD and IMFD; the person is the number of the FFHQ face, which begins the name."""
    return named_source(place, "maskedface", _FOLDERS, _number, "neither in CMFD nor in IMFD")


def _number(below: tuple[str, ...]) -> str:
    found = re.match(r"\d+", below[-1])
    return found[0] if found else ""


LAYOUT: Final[Layout] = (_recognises, _read)
