"""Lists the photos of a source with their labels, without opening a photo. There are five layouts:

train    DIR/train.csv (id,gender,race,age,path) and DIR/images/<path>/{mask1..mask5,incorrect_mask,normal}.*
eval     DIR/info.csv (ImageID,ans) and DIR/images/<ImageID>
table    a .csv or .parquet file with a column of paths relative to its folder, and labels in others
classes  DIR/<class>/..., where every sub-folder is named as a mask, a gender or one of the 18 classes is
folder   photos in DIR and its sub-folders, without labels
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from faces.labels import UNKNOWN
from preprocess.settings import Columns
from preprocess.sources.classes import class_labels, class_rows
from preprocess.sources.contest import eval_rows, train_rows
from preprocess.sources.listing import (
    COLUMNS,
    PHOTO_SUFFIXES,
    Layout,
    Listing,
    photo_row,
    photos_below,
    source_path,
)
from preprocess.sources.table import is_table, table_rows

__all__ = ["COLUMNS", "Listing", "scan", "source_path"]
_CONTEST = {"train": "train.csv", "eval": "info.csv"}


def scan(data: Path, columns: Columns = Columns()) -> Listing:  # noqa: B008  it is frozen
    """List the photos of a source.

    Args:
        data: a folder, or a table named .csv or .parquet; the layout follows from what it holds.
        columns: names of the columns, where `data` is a table.

    Raises:
        ValueError: no such folder or table, no photo in it, a contest folder one level too high, or a table
            that cannot be trusted (column missing, photo or person twice, a label that is none).
    """
    notes: list[str] = []
    if is_table(data) and not data.is_dir():
        return _listing(data, data.parent, "table", list(table_rows(data, columns, notes)), notes)
    if not data.is_dir():
        raise ValueError(f"data={data}: no such folder, and no table named .csv or .parquet")
    if columns != Columns():
        raise ValueError(
            f"data={data}: a folder has no columns; --columns goes with a .csv or .parquet table"
        )
    layout = _contest_layout(data)
    if layout is not None:
        return _listing(
            data, data, layout, list((train_rows if layout == "train" else eval_rows)(data)), notes
        )
    paths = list(photos_below(data))
    labels = class_labels(paths, notes)
    if labels is not None:
        return _listing(data, data, "classes", list(class_rows(data, paths, labels)), notes)
    return _listing(data, data, "folder", [photo_row(data, path) for path in paths], notes)


def _contest_layout(data: Path) -> Layout | None:
    tables = [name for name in _CONTEST.values() if (data / name).is_file()]
    if len(tables) == 2:
        raise ValueError(f"{data}: holds train.csv and info.csv; which one is meant? Move one elsewhere")
    if tables:
        if not (data / "images").is_dir():
            raise ValueError(
                f"{data}: holds {tables[0]} but no folder `images` beside it; a table of another make is "
                f"given by its own name: --data {data / tables[0]}"
            )
        return "train" if tables == ["train.csv"] else "eval"
    below = [name for name, table in _CONTEST.items() if (data / name / table).is_file()]
    if below:
        cures = " or ".join(f"--data {data / name}" for name in below)
        raise ValueError(f"data={data}: labelled and unseen photos are separate caches; give {cures}")
    return None


def _listing(
    data: Path, folder: Path, layout: Layout, rows: list[dict[str, Any]], notes: list[str]
) -> Listing:
    photos = pd.DataFrame(rows)
    if photos.empty:
        raise ValueError(f"data={data}: no photos in it ({', '.join(sorted(PHOTO_SUFFIXES))})")
    if (photos.problem != "").all():
        raise ValueError(
            f"data={data}: none of {len(photos)} photos can be read; the first, {photos.source.iloc[0]}: "
            f"{photos.problem.iloc[0]}"
        )
    photos = photos.astype({"mask": "int64", "gender": "int64", "age": "float64"})
    _name_persons(photos, notes)
    photos.insert(0, "position", range(len(photos)))
    return Listing(folder, layout, photos[list(COLUMNS)], tuple(notes))


def _name_persons(photos: pd.DataFrame, notes: list[str]) -> None:
    """Make each labelled photo of nobody known a person of its own, since folds are dealt by person."""
    labelled = (photos["mask"] != UNKNOWN) | (photos.gender != UNKNOWN) | photos.age.notna()
    alone = labelled & (photos.person == "")
    photos.loc[alone, "person"] = photos.source[alone]
    if alone.any():
        notes.append(
            f"{alone.sum()} of {len(photos)} photos are of nobody named: each counts as a person of its own, "
            "so photos of one person may be on both sides of a fold; name the people in a table's column, "
            "--columns.person"
        )
