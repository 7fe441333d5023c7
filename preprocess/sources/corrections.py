"""Puts known wrong labels right, from a table in which every correction has a reason; no file is edited."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from faces.command import nearest
from faces.factors import NOT_KNOWN
from faces.foreign.names import Match, Names, say_found
from faces.foreign.persons import person_key
from faces.foreign.table import match_column, read_table
from faces.labels import LabelSet
from faces.photos.names import source_path
from preprocess.sources.listing import BOX, CORRECTIONS, Listing

DONE = ("line", "path", "person", "column", "before", "after", "photos", "why")


class _Correction(NamedTuple):
    """One row of the table."""

    line: int
    path: str
    person: str
    column: str
    value: Any
    """A code, a number, or a person."""
    why: str


def apply(listing: Listing, path: Path | None) -> tuple[Listing, pd.DataFrame]:
    """Correct labels by a table.

    Its columns are path or person (one of them in each row), column (a factor or person), value (in the
    factor's words; "unknown" takes a label away) and why. Paths and people are those of the source, whatever
    other rows correct, people in any spelling (`faces.foreign.persons`); of a photo with several faces the
    path is the one's image_id. Photos of `incorrect` and `normal` that were swapped are two rows by path; a
    person's wrong gender is one row by person.

    Args:
        listing: is not changed.
        path: of the table; None for corrections.csv in the listing's folder, if there is one.

    Returns:
        The corrected listing, and what was done, a row for each of the table's: line; path, person; column;
        before, after: in words; photos: how many changed, 0 where the label was right already; why.

    Raises:
        ValueError: no such table, a path or person unknown (the nearest is named), a column or value that is
            none, a reason missing, or two values for one label of one photo; with the row.
    """
    if path is None:
        path = listing.folder / CORRECTIONS
        if not path.is_file():
            return listing, pd.DataFrame(columns=list(DONE))
    photos, spelt = listing.photos.copy(), listing.photos.person if listing.spelt is None else listing.spelt
    places = _places(photos)
    corrected: dict[tuple[int, str], _Correction] = {}
    done = []
    notes: list[str] = []
    for correction in _read_paths([*_read(path, listing.labels, notes)], places["path"], path, notes):
        rows = _find(correction, places, path)
        for row in rows:
            first = corrected.setdefault((row, correction.column), correction)
            if not _same(first.value, correction.value):
                raise ValueError(
                    f"{path}: rows {first.line} and {correction.line} give {photos.source.iloc[row]} two "
                    f"values of {correction.column}; which one is meant? Remove the other"
                )
        done.append(_correct(photos, rows, correction, listing.labels))
    spelt = spelt.where(photos.person == listing.photos.person, photos.person)
    notes = [*listing.notes, *notes]
    corrected_listing = dataclasses.replace(listing, photos=photos, notes=tuple(notes), spelt=spelt)
    return corrected_listing, pd.DataFrame(done, columns=list(DONE))


def _correct(
    photos: pd.DataFrame, rows: list[int], correction: _Correction, labels: LabelSet
) -> dict[str, Any]:
    """Change one label of some photos in place, and say what changed: a row of `DONE`."""
    column = correction.column
    before = photos[column].iloc[rows]
    changed = [index for index, value in before.items() if not _same(value, correction.value)]
    photos.loc[changed, column] = correction.value
    return {
        **correction._asdict(),
        "before": ", ".join(dict.fromkeys(_say(column, value, labels) for value in before)),
        "after": _say(column, correction.value, labels),
        "photos": len(changed),
    }


def _read(path: Path, labels: LabelSet, notes: list[str]) -> Iterable[_Correction]:
    corrected = (*labels.names, "person")
    table = read_table(path, ("column", "value", "why"), notes)
    called = {match_column(name, table.columns, path): name for name in ("path", "person")}
    table = table.rename(columns=called)
    if not {"path", "person"} & {*table.columns}:
        raise ValueError(f"{path}: no column path or person, so no row says whose label is wrong")
    for line, row in table.iterrows():
        cells = {
            name: str(row.get(name, "")).strip() for name in ("path", "person", "column", "value", "why")
        }
        place = f"{path}, row {line}"
        if bool(cells["path"]) == bool(cells["person"]):
            raise ValueError(f"{place}: give a path or a person, one of them")
        if cells["column"] not in corrected:
            raise ValueError(f"{place}: column {cells['column']!r}: {nearest(cells['column'], corrected)}")
        if not cells["why"]:
            raise ValueError(f"{place}: no reason in column why; say how you know that the label is wrong")
        cells["value"] = _value(cells["column"], cells["value"], place, labels)
        yield _Correction(line=int(str(line)), **cells)


def _read_paths(
    corrections: list[_Correction], paths: Collection[str], table: Path, notes: list[str]
) -> list[_Correction]:
    """The corrections with the photos' own paths, where theirs mean one but are not quite it."""
    strange = [each.path for each in corrections if each.path and each.path not in paths]
    names = Names(paths)
    found = {path: names.find(path) for path in strange}
    notes.extend(f"{table.name}: {line}" for line in say_found(found, found.values(), "file"))
    return [each._replace(path=found.get(each.path, Match("")).path or each.path) for each in corrections]


def _value(column: str, text: str, place: str, labels: LabelSet) -> Any:
    if not text:
        raise ValueError(f"{place}: no value; write unknown to take a label away")
    if column == "person":
        if text.casefold() in NOT_KNOWN:
            raise ValueError(f"{place}: person {text!r}; give a name that no one else has")
        return person_key(text)
    try:
        return labels.factor(column).read(text)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def _places(photos: pd.DataFrame) -> dict[str, dict[str, list[int]]]:
    """Rows by path, as written in `source` and as the file is called, and by person.

    Of a photo with several faces each is called by its image_id alone.
    """
    people = {str(person): [*rows] for person, rows in photos.groupby("person").indices.items() if person}
    alone = ~photos.source.duplicated(keep=False)
    names = [(source, row) for row, source in enumerate(photos.source) if alone[row]]
    names += [(image_id, row) for row, image_id in enumerate(photos.image_id) if BOX in photos]
    paths = {source_path(name): [row] for name, row in names} | {name: [row] for name, row in names}
    return {"path": paths, "person": people}


def _find(correction: _Correction, places: dict[str, dict[str, list[int]]], path: Path) -> list[int]:
    kind = "path" if correction.path else "person"
    name = correction.path or correction.person
    rows = places[kind].get(name) or places[kind].get(person_key(name))
    if rows is None:
        hint = nearest(name, places[kind]) if places[kind] else "nobody in this source is named"
        raise ValueError(
            f"{path}, row {correction.line}: no {kind} {name!r} among the photos; "
            f"{textwrap.shorten(hint, 200, placeholder=' and more')}"
        )
    return rows


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)  # NaN is not known, as NaN is


def _say(column: str, value: Any, labels: LabelSet) -> str:
    return str(value) if column == "person" else labels.factor(column).say(float(value))
