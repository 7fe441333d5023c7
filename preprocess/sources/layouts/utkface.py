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
_NAME: Final = re.compile(r"(\d{1,3})_([01]?)_([0-4]?)_\d{8,}\D.*")


def _recognises(place: Place) -> bool:
    named = [all(_texts(path).values()) for path in place.paths]
    return sum(named) > len(named) / 2


def _read(place: Place) -> Source:
    """All photos. A part that is left empty is not known.

    Of a name with fewer parts it is the age alone that is: the other number may be the gender or the race.
    """
    texts = [_texts(path) for path in place.paths]
    partial = [path for path, told in zip(place.paths, texts, strict=True) if not all(told.values())]
    if partial:
        place.notes.append(
            f"{len(partial)} photos, such as {partial[0]}, have parts of their name missing: what is sure is "
            "taken, the rest is not known"
        )
    return Source(
        layout="utkface",
        folder=place.data,
        photos=[photo_row(place.data, path) for path in place.paths],
        cells=pd.DataFrame(texts),
        where=lambda row: str(place.data / place.paths[row]),
    )


def _texts(path: str) -> dict[str, str]:
    """Age, gender and race of a photo."""
    name = PurePosixPath(path).name
    found = _NAME.fullmatch(name)
    if not found:
        start = re.match(r"(\d{1,3})_", name)
        return {"age": start[1] if start else "", "gender": "", "race": ""}
    age, gender, race = found.groups()
    return {
        "age": age,
        "gender": _GENDERS[int(gender)] if gender else "",
        "race": _RACES[int(race)] if race else "",
    }


LAYOUT: Final[Layout] = (_recognises, _read)
