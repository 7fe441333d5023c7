"""UTKFace: photos named [age]_[gender]_[race]_[date&time].jpg."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

import pandas as pd

from preprocess.sources.listing import photo_row
from preprocess.sources.source import Layout, Place, Source

_GENDERS: Final = ("male", "female")
_RACES: Final = ("white", "black", "asian", "indian", "others")
_WHOLE: Final = re.compile(r"\d{1,3}_[01]_[0-4]_\d{8,}\D.*")


def _recognises(place: Place) -> bool:
    names = [PurePosixPath(path).name for path in place.paths]
    return sum(bool(_WHOLE.fullmatch(name)) for name in names) > len(names) / 2


def _read(place: Place) -> Source:
    """All photos; of a name with a part missing the age alone: what the other number stands for is open."""
    cells = pd.DataFrame([_texts(PurePosixPath(path).name) for path in place.paths])
    partial = [path for path in place.paths if not _WHOLE.fullmatch(PurePosixPath(path).name)]
    if partial:
        place.notes.append(
            f"{len(partial)} photos, such as {partial[0]}, have parts of their name missing: of these "
            "no more than the age is known"
        )
    return Source(
        layout="utkface",
        folder=place.data,
        photos=[photo_row(place.data, path) for path in place.paths],
        cells=cells,
        where=lambda row: str(place.data / place.paths[row]),
    )


def _texts(name: str) -> dict[str, str]:
    """Age, gender and race of a name."""
    age = re.match(r"(\d{1,3})_", name)
    told = {"age": age[1] if age else "", "gender": "", "race": ""}
    if _WHOLE.fullmatch(name):
        _, gender, race = name.split("_")[:3]
        told |= {"gender": _GENDERS[int(gender)], "race": _RACES[int(race)]}
    return told


LAYOUT: Final[Layout] = (_recognises, _read)
