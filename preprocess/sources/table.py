"""Photos listed in a CSV or Parquet table of any make: a path each, and the labels that there are."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from faces.labels import GENDERS, MASKS
from preprocess.settings import Columns
from preprocess.sources.listing import is_inside, photo_row
from preprocess.sources.words import Label, is_split, read_label

SUFFIXES = (".csv", ".parquet")
VALUES: tuple[Label, ...] = ("mask", "gender", "age")


def is_table(path: Path) -> bool:
    """Whether a file is named as a table is."""
    return path.suffix.lower() in SUFFIXES


def read_table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """A table as text, "" in empty cells.

    Args:
        path: .csv in UTF-8, or .parquet.
        needed: columns that must be there.

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
        table = _read_csv(path) if is_csv else _read_parquet(path)
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        what = "UTF-8 CSV" if is_csv else "Parquet"
        raise ValueError(f"{path}: not readable as a {what} table: {error}") from error
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ValueError(f"{path}: no column {', '.join(missing)}; there are {', '.join(table.columns)}")
    return table


def _read_csv(path: Path) -> pd.DataFrame:
    with warnings.catch_warnings():
        # Rows with a cell too many would lose it, or without `index_col` shift every label by one column.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        table = pd.read_csv(
            path,
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
    outside = [(row, name) for row, name in table[column].items() if not is_inside(name)]
    if outside:
        row, name = outside[0]
        raise ValueError(f"{path}, row {row}: {column} {name!r} names nothing inside {root}")
    first: dict[PurePosixPath, Any] = {}
    for row, name in table[column].items():
        before = first.setdefault(PurePosixPath(name), row)
        if before != row:
            raise ValueError(f"{path}: {column} {name!r} occurs twice, in rows {before} and {row}")


def table_rows(path: Path, columns: Columns, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The photos of a table, in its order, at paths relative to its folder.

    Args:
        path: of the table.
        columns: what its columns are called. One that is not there is a label not known, unless its name was
            changed: then somebody expects it.
        notes: gets sentences on what was taken for granted.

    Raises:
        ValueError: the table cannot be trusted: a column expected and missing, a photo twice or outside of
            the table's folder, a label that is none.
    """
    given = dataclasses.asdict(columns)
    usual = dataclasses.asdict(Columns())
    table = read_table(path, ())
    for field, name in given.items():
        if name not in table.columns and (field == "path" or name != usual[field]):
            raise ValueError(
                f"{path}: no column {name}; there are {', '.join(table.columns)}: "
                f"say which it is with --columns.{field} NAME"
            )
    table[given["path"]] = [_below(str(cell), path, row) for row, cell in table[given["path"]].items()]
    check_paths(table, given["path"], path, "the table's folder")
    known = {field: name for field, name in given.items() if name in table.columns}
    _note_missing(given, known, table, notes)
    _note_meanings(known, table, notes)
    for row, cells in zip(table.index, table[[*known.values()]].to_dict("records"), strict=True):
        yield _row(path, row, {field: str(cells[name]) for field, name in known.items()}, given)


def _row(table: Path, row: int, cells: Mapping[str, str], given: Mapping[str, str]) -> dict[str, Any]:
    labels: dict[str, float] = {}
    for field in VALUES:
        try:
            labels[field] = read_label(field, cells.get(field, ""))
        except ValueError as error:
            raise ValueError(f"{table}, row {row}, column {given[field]}: {error}") from error
    place = str(PurePosixPath(cells["path"]))
    return photo_row(
        table.parent, place, image_id=cells["path"], person=cells.get("person", "").strip(), **labels
    )


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


def _note_missing(
    given: Mapping[str, str], known: Mapping[str, str], table: pd.DataFrame, notes: list[str]
) -> None:
    missing = [field for field in VALUES if field not in known]
    if missing:
        options = " or ".join(f"--columns.{field}" for field in missing)
        others = [name for name in table.columns if name not in known.values()]
        there = f"; the table also has {', '.join(others)}" if others else ""
        notes.append(
            f"no column {', '.join(given[field] for field in missing)}: not known{there} ({options})"
        )


def _note_meanings(known: Mapping[str, str], table: pd.DataFrame, notes: list[str]) -> None:
    """Say what numbers and ranges were taken for: elsewhere 0 may mean another thing."""
    for field, names in (("mask", MASKS), ("gender", GENDERS)):
        cells = table[known[field]] if field in known else pd.Series(dtype=str)
        if cells.str.fullmatch(r"\s*\d(\.0)?\s*").any():
            meaning = ", ".join(f"{code} is {name}" for code, name in enumerate(names))
            notes.append(f"numbers in column {known[field]}: {meaning}")
    if "age" in known:
        split = table[known["age"]][[is_split(cell) for cell in table[known["age"]]]]
        if len(split):
            notes.append(
                f"{len(split)} photos have an age range such as {split.iloc[0]!r}, which lies in two age "
                "bands: its middle decides"
            )
