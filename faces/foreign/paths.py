"""Photos that a table names: each in one row, and none outside of where its photos lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from faces.foreign.table import read_table


def is_inside(path: str) -> bool:
    """Whether a path given in a table stays below the folder it is relative to."""
    plain = PurePosixPath(path)
    return bool(plain.parts) and not plain.is_absolute() and ".." not in plain.parts and "\0" not in path


def requested_photos(info: Path, notes: list[str] | None = None) -> pd.Series[str]:
    """The photos that an info.csv asks about, as they are named there, in its order.

    Args:
        info: a table with the column ImageID; the contest's has `ans` too, which is not read.
        notes: gets sentences on what was found out about its text.

    Returns:
        The names by row number.

    Raises:
        ValueError: as in `read_table` and `check_paths`.
    """
    table = read_table(info, ("ImageID",), notes)
    check_paths(table, "ImageID", info, "`images`")
    return table["ImageID"]


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
    check_named(table[column], path)
    for row, name in table[column].items():
        check_inside(name, f"{path}, row {row}: {column}", root)
    check_once(table[column], path, PurePosixPath)


def check_named(names: pd.Series, path: Path) -> None:
    """Refuse a table of nothing, and a row that does not say of what it is.

    Args:
        names: a column of `read_table`, called as there.
        path: of the table, for the message.

    Raises:
        ValueError: no rows, or such a row.
    """
    if names.empty:
        raise ValueError(f"{path}: no rows below its header")
    for row, name in names.items():
        if not name.strip():
            raise ValueError(f"{path}, row {row}: no {names.name}; fill it in, or remove the row")


def check_once(names: pd.Series, path: Path, meaning: Callable[[str], Any] = str) -> None:
    """Refuse names of which two mean one thing.

    Args:
        names: a column of `read_table`, called as there.
        path: of the table, for the message.
        meaning: what a name means, to be compared.

    Raises:
        ValueError: the second, with both rows.
    """
    first: dict[Any, Any] = {}
    for row, name in names.items():
        before = first.setdefault(meaning(name), row)
        if before != row:
            raise ValueError(
                f"{path}: {names.name} {name!r} occurs twice, in rows {before} and {row}; keep one"
            )


def check_inside(name: str, where: str, root: str) -> None:
    """Refuse a path that leads outside of what it is relative to.

    Raises:
        ValueError: with `where` it is written, and what `root` is.
    """
    if not is_inside(name):
        raise ValueError(f"{where} {name!r} names nothing inside {root}")
