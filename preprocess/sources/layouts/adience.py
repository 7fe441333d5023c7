"""Adience: fold_0_data.txt to fold_4_data.txt beside the folder of faces."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from faces.foreign.paths import check_inside
from faces.foreign.table import read_table
from preprocess.sources.listing import photo_row
from preprocess.sources.source import Layout, Place, Source

_NEEDED: Final = ("user_id", "original_image", "face_id", "age", "gender")
_FACES: Final = (("faces", "coarse_tilt_aligned_face"), ("aligned", "landmark_aligned_face"))
"""Folder and beginning of the names of each of the two sets of crops, the first taken first."""


def _tables(data: Path) -> list[Path]:
    return sorted(data.glob("fold_[0-9]*_data.txt")) if data.is_dir() else []


def _recognises(place: Place) -> bool:
    return bool(_tables(place.data))


def _read(place: Place) -> Source:
    """The photos of all folds; the person is the user, whose albums may show several people.

    Raises:
        ValueError: a table cannot be trusted, or the faces are not there.
    """
    folder, start = next((each for each in _FACES if (place.data / each[0]).is_dir()), ("", ""))
    if not folder:
        known = " or ".join(name for name, _ in _FACES)
        raise ValueError(
            f"{place.data}: holds Adience's tables but no folder {known}; unpack one beside them"
        )
    photos, cells, places = [], [], []
    for path in _tables(place.data):
        table = read_table(path, _NEEDED, place.notes)
        for row, cell in zip(table.index, table.to_dict("records"), strict=True):
            file = f"{folder}/{cell['user_id']}/{start}.{cell['face_id']}.{cell['original_image']}"
            check_inside(file, f"{path}, row {row}: file", "the folder")
            split = f"fold{path.name.split('_')[1]}"
            photos.append(photo_row(place.data, file, person=cell["user_id"], split=split))
            gender = "" if cell["gender"] == "u" else cell["gender"]
            cells.append({"age": cell["age"], "gender": gender})
            places.append(f"{path}, row {row}")
    return Source(
        layout="adience",
        folder=place.data,
        photos=photos,
        cells=pd.DataFrame(cells),
        where=places.__getitem__,
    )


LAYOUT: Final[Layout] = (_recognises, _read)
