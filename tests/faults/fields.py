"""Damage to the fields of tables: each one missing, of another type, and out of range."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.faults.holders import Holder, Table, holders, rows_of
from tests.faults.mutations import SEAL_WRONG, Fault, put

HOSTILE = "../../../x\x1b[2J\n<b>=1+1"
"""A name that leaves its folder, steers a terminal, breaks a line, is HTML and a formula."""
Place = tuple[str | int, ...]
MANY = 3
"""Rooms of lists beyond the first ones are as those."""


def places(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every field of a table, those of tables in it too, and what it holds."""
    if place:
        yield place, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value[:MANY]):
            if isinstance(inner, dict | list) or not number:
                yield from places(inner, (*place, number))


def changes(value: Any) -> Iterator[tuple[str, Any]]:
    """Kinds of damage to a field, and what it holds then."""
    if isinstance(value, bool):
        yield "another type", "yes"
    elif isinstance(value, int | float):
        yield "another type", "seven"
        yield from (("negative", -1), ("zero", 0), ("huge", 10**30), ("NaN", float("nan")))
    elif isinstance(value, str):
        yield "another type", 17
        yield "empty", ""
        yield "hostile", HOSTILE
    elif isinstance(value, list):
        yield "another type", {"a": 1}
        yield "empty", []
    elif isinstance(value, dict):
        yield "another type", [1]
        yield "empty", {}
    else:
        yield "another type", 17


def changed(table: Table, place: Place, value: Any) -> Table:
    """A table with another value at a place."""
    new = copy.deepcopy(table)
    inner: Any = new
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    return new


def without(table: Table, place: Place) -> Table:
    """A table without a field."""
    new = copy.deepcopy(table)
    inner: Any = new
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    return new


def field_faults(world: Path, path: str) -> Iterator[Fault]:
    """Faults of the fields of a file: one of each with the seal left as it was, all with it made right."""
    drawn = random.Random(path)
    for holder in holders(world / path):
        yield _unknown(path, holder)
        for place, value in places(holder.table):
            found = [("missing", without(holder.table, place))]
            found += [
                (kind, changed(holder.table, place, new)) for kind, new in changes(value) if new != value
            ]
            if holder.sealed:
                kind, table = drawn.choice(found)
                yield _fault(path, holder, place, f"{kind}, {SEAL_WRONG}", table, right=False)
            for kind, table in found:
                yield _fault(path, holder, place, kind, table, right=True)


def _unknown(path: str, holder: Holder) -> Fault:
    table = {**holder.table, "surprise": 1}
    return _fault(path, holder, ("surprise",), "unknown", table, right=True)


def _fault(path: str, holder: Holder, place: Place, kind: str, table: Table, *, right: bool) -> Fault:
    name = ".".join(map(str, place))
    what = f"{holder.place} {name}: {kind}".strip()
    return Fault(path, f"field {kind}", what, lambda folder: put(folder / path, holder.rebuild(table, right)))


def column_faults(world: Path, path: str) -> Iterator[Fault]:
    """Faults of the columns of a Parquet file, with its seal made right."""
    rows, rebuild = rows_of(world / path)

    def fault(kind: str, what: str, new: pd.DataFrame) -> Fault:
        return Fault(path, f"column {kind}", what, lambda folder: put(folder / path, rebuild(new)))

    yield fault("rows gone", "half of the rows", rows[: len(rows) // 2])
    yield fault("rows twice", "the first row twice", pd.concat([rows, rows[:1]]))
    yield fault("none", "no rows", rows[:0])
    for name in rows.columns:
        yield fault("missing", f"{name}: missing", rows.drop(columns=name))
        for kind, values in column_changes(rows[name]):
            yield fault(kind, f"{name}: {kind}", rows.assign(**{name: values}))


def column_changes(column: pd.Series) -> Iterator[tuple[str, Any]]:
    """Kinds of damage to a column, and what it holds then."""
    yield "another type", [str(value) + "?" for value in column]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        plain = column.to_numpy()
        for kind, value in (("negative", -7), ("huge", 10**15), ("NaN", np.nan)):
            new = plain.astype(np.float64 if kind == "NaN" else plain.dtype)
            with np.errstate(all="ignore"):
                new[0] = value
            yield kind, new
    elif isinstance(column.iloc[0], str):
        yield "hostile", [HOSTILE, *column[1:]]
        yield "empty", ["", *column[1:]]
    elif isinstance(column.iloc[0], np.ndarray):
        first = np.asarray(column.iloc[0], np.float64)
        for kind, value in (("NaN", np.nan), ("huge", 2e9), ("negative", -2e9)):
            yield kind, [np.full_like(first, value), *column[1:]]
        yield "empty", [first[:0], *column[1:]]


def table_faults(world: Path, path: str) -> Iterator[Fault]:
    """Faults of the fields of all tables in a file, and of the columns of one of Parquet."""
    yield from field_faults(world, path)
    if path.endswith(".parquet"):
        yield from column_faults(world, path)
