"""Photos listed in a CSV or Parquet table of any make: a path each, and the labels that there are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.factors import plain_word
from faces.storage import tables
from preprocess.settings import Columns
from preprocess.sources.cells import read_cells
from preprocess.sources.listing import called_photo, is_inside, source_name, source_path
from preprocess.sources.lookup import list_photos
from preprocess.sources.reading import match_column
from preprocess.sources.source import Place, Source, paths_below, split_of

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet")
_NAMED: Final = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
_SHEETS: Final = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
_PACKED: Final = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")
_FILE_COLUMNS: Final = frozenset(
    f"{what}{end}"
    for what in ("file", "image", "img", "photo", "picture")
    for end in ("", "_path", "_name", "_file", "_id", "path", "name", "id")
)
"""What people call the column of paths, as `plain_word` has it."""


def is_table(path: Path) -> bool:
    """Whether a file is named as a table is."""
    return path.suffix.lower() in SUFFIXES


def no_source(data: Path) -> ValueError:
    """The complaint about what is neither a folder nor a table, with its cure."""
    what = data.is_file() and _other_kind(data)
    return ValueError(f"data={data}: {what or f'no such folder, and no table named {_NAMED}'}")


def _other_kind(path: Path) -> str:
    """What a file is by its name and what to do with it, or "" where it may be a table."""
    suffix = path.suffix.lower()
    if suffix in _PACKED:
        return "a packed archive, which is not read; unpack it and give the folder or table that comes out"
    return "a workbook, which is not read; save it as CSV in UTF-8 and give that" if suffix in _SHEETS else ""


def read_table(path: Path, needed: Sequence[str], notes: list[str] | None = None) -> pd.DataFrame:
    """A table as text, "" in empty cells.

    Args:
        path: .parquet, or text as `read_cells` reads it.
        needed: columns that must be there, whatever their case, spaces and hyphens.
        notes: gets sentences on what was found out about its text.

    Returns:
        With the `needed` columns called so. Indexed by row number, as errors name it: the header of a text is
        row 1; the first row of a Parquet table is, which has no header.

    Raises:
        ValueError: no such file, not readable, or a column missing or called so twice.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    if other := _other_kind(path):
        raise ValueError(f"{path}: {other}")
    is_parquet = path.suffix.lower() == ".parquet"
    try:
        table = _read_parquet(path) if is_parquet else read_cells(path, [] if notes is None else notes)
    except OSError as error:
        raise ValueError(f"{path}: not readable: {error.strerror or error}") from error
    called = {match_column(name, table.columns, path): name for name in needed}
    missing = {*needed} - {name for column, name in called.items() if column is not None}
    if missing:
        wanted = ", ".join(name for name in needed if name in missing)
        raise ValueError(f"{path}: no column {wanted}; there are {', '.join(table.columns)}")
    return table.rename(columns=called)


def _read_parquet(path: Path) -> pd.DataFrame:
    table = tables.read_table(path, "give another table, or save it anew").rows.reset_index(drop=True)
    table.index += 1
    table.columns = table.columns.astype(str)
    return table.astype(object).astype(str).where(table.notna(), "")


def check_paths(table: pd.DataFrame, column: str, path: Path, root: str) -> None:
    """Refuse a table in which a name is missing, occurs twice or lies outside of where it belongs.

    Args:
        table: of `read_table`.
        column: whose cells are paths relative to `root`.
        path: of the table, for the message.
        root: what the paths are relative to, for the message.

    Raises:
        ValueError: such a name, with its row.
    """
    if table.empty:
        raise ValueError(f"{path}: no rows")
    for row, name in table[column].items():
        check_inside(name, f"{path}, row {row}: {column}", root)
    first: dict[PurePosixPath, Any] = {}
    for row, name in table[column].items():
        before = first.setdefault(PurePosixPath(name), row)
        if before != row:
            raise ValueError(f"{path}: {column} {name!r} occurs twice, in rows {before} and {row}")


def check_inside(name: str, where: str, root: str) -> None:
    """Refuse a path that leads outside of what it is relative to.

    Raises:
        ValueError: with `where` it is written, and what `root` is.
    """
    if not is_inside(name):
        raise ValueError(f"{where} {name!r} names nothing inside {root}")


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
