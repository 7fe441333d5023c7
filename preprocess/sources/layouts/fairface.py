"""FairFace: fairface_label_train.csv and fairface_label_val.csv beside the folders train and val."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Final

import pandas as pd

from faces.foreign.paths import check_paths
from faces.foreign.table import is_table, read_table
from preprocess.sources.listing import photo_row
from preprocess.sources.source import Layout, Place, Source, split_of

_COLUMNS: Final = ("file", "age", "gender", "race")
_NAMES: Final = "fairface_label_*.csv"


def _tables(data: Path) -> list[Path]:
    if data.is_dir():
        return sorted(data.glob(_NAMES))
    named = data.match(_NAMES) and is_table(data) and data.is_file()
    return [data] if named else []


def _recognises(place: Place) -> bool:
    return bool(_tables(place.data))


def _read(place: Place) -> Source:
    """The photos of all label tables of a folder, or of one; its part of the data begins a file's path.

    Raises:
        ValueError: a table cannot be trusted.
    """
    tables = _tables(place.data)
    folder = tables[0].parent
    inside = [path.parent for path in sorted(folder.glob("fairface-img-*/train")) if path.is_dir()]
    root = PurePosixPath(inside[0].name) if inside and not (folder / "train").is_dir() else PurePosixPath()
    photos, cells, places = [], [], []
    for path in tables:
        table = read_table(path, _COLUMNS)
        check_paths(table, "file", path, "the table's folder")
        for row, file in table.file.items():
            split = split_of(PurePosixPath(file).parts[0])
            photos.append(photo_row(folder, str(root / file), image_id=file, split=split))
            places.append(f"{path}, row {row}")
        cells.append(table.drop(columns="file"))
    return Source(
        layout="fairface",
        folder=folder,
        photos=photos,
        cells=pd.concat(cells, ignore_index=True).fillna(""),
        where=places.__getitem__,
        no_labels=frozenset({"service_test"}),
    )


LAYOUT: Final[Layout] = (_recognises, _read)
