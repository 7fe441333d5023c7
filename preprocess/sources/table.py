"""Photos listed in a CSV or Parquet table of any make: a path each, and the labels that there are."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.factors import plain_word
from faces.foreign.paths import check_paths
from faces.foreign.table import SUFFIXES, match_column, other_kind, read_table
from faces.photos.names import called_photo, source_name, source_path
from preprocess.settings import Columns
from preprocess.sources.lookup import list_photos
from preprocess.sources.source import Place, Source, paths_below, split_of

_NAMED: Final = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
_FILE_COLUMNS: Final = frozenset(
    f"{what}{end}"
    for what in ("file", "image", "img", "photo", "picture")
    for end in ("", "_path", "_name", "_file", "_id", "path", "name", "id")
)
"""What people call the column of paths, as `plain_word` has it."""


def no_source(data: Path) -> ValueError:
    """The complaint about what is neither a folder nor a table, with its cure."""
    what = data.is_file() and other_kind(data)
    return ValueError(f"data={data}: {what or f'no such folder, and no table named {_NAMED}'}")


def table_source(place: Place) -> Source:
    """The photos of a table, in its order, at paths relative to its folder.

    Raises:
        ValueError: the table cannot be trusted: a column expected and missing, a photo twice or outside of
            the table's folder.
    """
    path, columns = place.data, place.columns
    table = read_table(path, (), place.notes)
    names = {field: _column(field, getattr(columns, field), table, place) for field in ("person", "split")}
    file = _column("path", columns.path, table, place) or _file_column(table, place)
    table[file] = [_below(str(cell), path, row) for row, cell in table[file].items()]
    check_paths(table, file, path, "the table's folder")
    rows = list_photos(table[file], path, path.parent, place.notes)
    _note_unlisted({source_path(row["source"]) for row in rows}, place)
    if person := names["person"]:
        for row, cell in zip(rows, table[person], strict=True):
            row["person"] = str(cell).strip()
    taken: set[str | None] = {file, person}
    splits = _splits(table, names["split"])
    if splits is not None:
        taken.add(names["split"])
        for row, split in zip(rows, splits, strict=True):
            row["split"] = split
    numbers = [*table.index]
    return Source(
        layout="table",
        folder=path.parent,
        photos=rows,
        cells=table.drop(columns=[name for name in taken if name]).reset_index(drop=True),
        where=lambda row: f"{path}, row {numbers[row]}",
        is_table=True,
    )


def _column(field: str, name: str, table: pd.DataFrame, place: Place) -> str | None:
    """The column for a path, person or part; one that is not there is an error where somebody expects it."""
    found = match_column(name, table.columns, place.data)
    if found is None and name != getattr(Columns, field):
        raise _no_column(field, name, table, place)
    return found


def _no_column(field: str, name: str, table: pd.DataFrame, place: Place) -> ValueError:
    return ValueError(
        f"{place.data}: no column {name}; there are {', '.join(table.columns)}: "
        f"say which it is with --columns.{field} NAME"
    )


def _file_column(table: pd.DataFrame, place: Place) -> str:
    """The column of paths by another name, if it is the only one that is called so."""
    found = [str(column) for column in table.columns if plain_word(str(column)) in _FILE_COLUMNS]
    if len(found) != 1:
        raise _no_column("path", Columns.path, table, place)
    place.notes.append(f"no column path: the photos' files are taken from column {found[0]} (--columns.path)")
    return found[0]


def _note_unlisted(files: set[str], place: Place) -> None:
    """Say how many photos lie in the folders of the listed ones, or beside those, and are not listed.

    Args:
        files: the listed, relative to the table's folder.
        place: of the table. Beside it are all sorts of things, so its own folder is not looked through: only
            the folders in it that hold listed photos, and its own files where some of these are listed.
    """
    root = place.data.parent
    tops = {PurePosixPath(file).parts[0] for file in files if "/" in file}
    there = [f"{top}/{path}" for top in sorted(tops) for path in paths_below(root / top)]
    if any("/" not in file for file in files):
        there = [*sorted(path.name for path in root.iterdir() if path.is_file()), *there]
    photos = [path for path in there if path in files or called_photo(PurePosixPath(path).name)]
    left = [path for path in photos if path not in files]
    if left:
        where = root / next(iter(tops)) if len(tops) == 1 and "/" in left[0] else root
        place.notes.append(
            f"{len(left)} of {len(photos)} photos below {where} are not in the table, the first "
            f"{source_name(left[0])}; they are left out"
        )


def _splits(table: pd.DataFrame, column: str | None) -> list[str] | None:
    """Parts of the data by row, or None where the column is not there or holds something else."""
    if column is None:
        return None
    cells = [str(cell) for cell in table[column]]
    splits = {cell: split_of(cell) for cell in {*cells}}
    if any(cell.strip() and not split for cell, split in splits.items()) or not any(splits.values()):
        return None
    return [splits[cell] for cell in cells]


def _below(cell: str, table: Path, row: Any) -> str:
    """The path of a photo relative to the table's folder, as it was given where it is relative."""
    if not cell.startswith("/"):
        return cell
    for folder in (table.parent.absolute(), table.parent.resolve()):
        if Path(cell).is_relative_to(folder):
            return Path(cell).relative_to(folder).as_posix()
    raise ValueError(
        f"{table}, row {row}: {cell!r} lies outside of the table's folder {table.parent.absolute()}; move "
        "the table to a folder above its photos, or link the photos' folder beside it and give relative paths"
    )
