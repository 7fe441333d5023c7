"""CelebA: list_attr_celeba beside img_align_celeba, with identities and the partition if they are there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pandas as pd

from faces.files import settings_text
from faces.foreign.paths import check_paths
from faces.foreign.table import read_table
from preprocess.sources.listing import photo_row
from preprocess.sources.source import Layout, Place, Source

_ATTRIBUTES: Final = "list_attr_celeba"
_FOLDERS: Final = ("img_align_celeba/img_align_celeba", "img_align_celeba", "img_celeba")
_WORDS: Final = {"1": "yes", "-1": "no", "0": "no"}
_SPLITS: Final = {"0": "train", "1": "val", "2": "test"}
_LIST_BYTES: Final = 256 * 2**20
"""The list of attributes has 26 million for 202,599 photos."""


def _file(data: Path, name: str) -> Path | None:
    """The list of that name: as published, or as a CSV."""
    found = [data / f"{name}{suffix}" for suffix in (".txt", ".csv")]
    return next((path for path in found if path.is_file()), None)


def _recognises(place: Place) -> bool:
    return place.data.is_dir() and _file(place.data, _ATTRIBUTES) is not None


def _read(place: Place) -> Source:
    """The photos of the list of attributes; each attribute is a column of yes and no, Male also the gender.

    Raises:
        ValueError: a list cannot be trusted, or the photos are not there.
    """
    data = place.data
    path = _file(data, _ATTRIBUTES)
    assert path is not None
    folder = next((name for name in _FOLDERS if (data / name).is_dir()), None)
    if folder is None:
        raise ValueError(
            f"{data}: holds {path.name} but no folder img_align_celeba; unpack it beside the list"
        )
    table = _read_list(path)
    check_paths(table, "image_id", path, "the folder of photos")
    places = [f"{path}, row {row}" for row in table.index]
    cells = table.drop(columns="image_id").reset_index(drop=True)
    for column in cells:
        strange = cells[column][~cells[column].isin(_WORDS)]
        if len(strange):
            where = places[strange.index[0]]
            raise ValueError(f"{where}: {column} {strange.iloc[0]!r} is neither 1 nor -1; correct the list")
        cells[column] = cells[column].map(_WORDS)
    if "Male" in cells and "gender" not in cells:
        cells["gender"] = cells.Male.map({"yes": "male", "no": "female"})
    names = [*table.image_id]
    photos = [photo_row(data, f"{folder}/{name}", image_id=name) for name in names]
    _tell(photos, names, "person", _told(data, "identity_CelebA", {}))
    _tell(photos, names, "split", _told(data, "list_eval_partition", _SPLITS))
    return Source(
        layout="celeba",
        folder=data,
        photos=photos,
        cells=cells,
        where=places.__getitem__,
        no_labels=frozenset({"Male"}),  # it is the gender
    )


def _read_list(path: Path) -> pd.DataFrame:
    """A list with a line of names, after one that counts the rows where it is as published."""
    if path.suffix == ".csv":
        return read_table(path, ("image_id",))
    lines = settings_text(path, _LIST_BYTES).splitlines()
    names = lines[1].split() if len(lines) > 1 else []
    rows = [(number, line.split()) for number, line in enumerate(lines[2:], 3) if line.strip()]
    for number, cells in rows:
        if len(cells) != len(names) + 1:
            raise ValueError(
                f"{path}, row {number}: {len(cells)} cells where the file name and {len(names)} attributes "
                "were due; download the list again"
            )
    table = pd.DataFrame([cells for _, cells in rows], columns=["image_id", *names], dtype=object)
    table.index = pd.Index([number for number, _ in rows])
    return table


def _told(data: Path, name: str, words: dict[str, str]) -> dict[str, str]:
    """What a list of two columns says of each photo, {} where there is none."""
    path = _file(data, name)
    if path is None:
        return {}
    rows = [
        line.replace(",", " ").split()
        for line in settings_text(path, _LIST_BYTES).splitlines()
        if line.strip()
    ]
    if path.suffix == ".csv":
        rows = rows[1:]
    wrong = next((cells for cells in rows if len(cells) != 2 or (words and cells[1] not in words)), None)
    if wrong is not None:
        due = f"one of {', '.join(words)}" if words else "a number"
        raise ValueError(f"{path}: {' '.join(wrong)!r} is no file name and {due}; download the list again")
    return {file: words.get(value, value) for file, value in rows}


def _tell(photos: list[dict[str, object]], names: list[str], column: str, told: dict[str, str]) -> None:
    if told:
        for photo, name in zip(photos, names, strict=True):
            photo[column] = told.get(name, "")


LAYOUT: Final[Layout] = (_recognises, _read)
