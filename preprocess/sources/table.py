"""Photos listed in a CSV or Parquet table of any make: a path each, and the labels that there are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from preprocess.settings import Columns
from preprocess.sources.listing import is_inside, photo_row
from preprocess.sources.reading import match_column
from preprocess.sources.source import Place, Source, split_of

SUFFIXES = (".csv", ".parquet")


def is_table(path: Path) -> bool:
    """Whether a file is named as a table is."""
    return path.suffix.lower() in SUFFIXES


def read_table(path: Path, needed: Sequence[str], separator: str = ",") -> pd.DataFrame:
    """A table as text, "" in empty cells.

    Args:
        path: .csv in UTF-8, or .parquet.
        needed: columns that must be there.
        separator: between the cells of a CSV.

    Returns:
        Indexed by row number, as errors name it: the header of a CSV is row 1, the first row of a Parquet
        table too, which has no header.

    Raises:
        ValueError: no such file, not readable, or a column missing.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file")
    is_csv = path.suffix.lower() != ".parquet"
    try:
        table = _read_csv(path, separator) if is_csv else _read_parquet(path)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        what = "UTF-8 CSV" if is_csv else "Parquet"
        raise ValueError(f"{path}: not readable as a {what} table: {error}") from error
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ValueError(f"{path}: no column {', '.join(missing)}; there are {', '.join(table.columns)}")
    return table


def _read_csv(path: Path, separator: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Rows with a cell too many would lose it, or without `index_col` shift every label by one column.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            path,
            sep=separator,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            skip_blank_lines=False,
            index_col=False,
        )
    table.index += 2
    return table[(table != "").any(axis=1)]


def _read_parquet(path: Path) -> pd.DataFrame:
    table = pd.read_parquet(path).reset_index(drop=True)
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
    table = read_table(path, ())
    names = {
        field: _column(field, getattr(columns, field), table, path) for field in ("path", "person", "split")
    }
    file = names["path"]
    assert file is not None
    table[file] = [_below(str(cell), path, row) for row, cell in table[file].items()]
    check_paths(table, file, path, "the table's folder")
    rows = [photo_row(path.parent, str(PurePosixPath(cell)), image_id=cell) for cell in map(str, table[file])]
    if person := names["person"]:
        for row, cell in zip(rows, table[person], strict=True):
            row["person"] = str(cell).strip()
    taken = {file, person}
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


def _column(field: str, name: str, table: pd.DataFrame, path: Path) -> str | None:
    """The column for a path, person or part; one that is not there is an error where somebody expects it."""
    found = match_column(name, table.columns, str(path))
    if found is None and (field == "path" or name != getattr(Columns, field)):
        raise ValueError(
            f"{path}: no column {name}; there are {', '.join(table.columns)}: "
            f"say which it is with --columns.{field} NAME"
        )
    return found


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
