"""A table that comes from outside, with its columns by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pandas as pd

from faces.factors import plain_word
from faces.foreign.cells import read_cells
from faces.storage import tables

SUFFIXES: Final = (".csv", ".tsv", ".txt", ".parquet")
"""What a table may be called; but for .parquet they are text."""
_SHEETS: Final = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
_PACKED: Final = (".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".7z", ".rar", ".zst")


def is_table(path: Path) -> bool:
    """Whether a file is named as a table is."""
    return path.suffix.lower() in SUFFIXES


def match_column(name: str, columns: Iterable[str], where: Path | str) -> str | None:
    """The column of that name, whatever its case, spaces and hyphens, or None; one written alike comes first.

    Raises:
        ValueError: several are called so.
    """
    there = [*columns]
    if name in there:
        return name
    found = [column for column in there if plain_word(column) == plain_word(name)]
    if len(found) > 1:
        raise ValueError(f"{where}: columns {' and '.join(found)} are both called {name!r}; rename one")
    return found[0] if found else None


def other_kind(path: Path) -> str:
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
    if other := other_kind(path):
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
