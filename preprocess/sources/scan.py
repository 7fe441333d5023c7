"""Lists the photos of a source with their labels, without opening a photo. How photos may lie:

train    DIR/train.csv (id,gender,race,age,path) and DIR/images/<path>/{mask1..mask5,incorrect_mask,normal}.*
eval     DIR/info.csv (ImageID,ans) and DIR/images/<ImageID>
table    a .csv, .tsv, .txt or .parquet file with a column of paths relative to its folder, and labels in
         others
classes  a folder for each class, named as a category or one of the headline's classes is; also below train,
         val and test
folder   photos in DIR and its sub-folders, without labels

and the published sets of photos of `LAYOUTS`, as they are unpacked.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, Final

import pandas as pd

from faces.command import typed
from faces.folds import SPLIT
from faces.foreign.table import is_table
from faces.labels import CONTEST, LabelSet
from faces.photos.names import source_name, source_path
from preprocess.settings import Columns
from preprocess.sources.classes import folder_source
from preprocess.sources.contest import eval_source, train_source
from preprocess.sources.layouts import adience, afdb, celeba, fairface, maskedface, utkface, voc
from preprocess.sources.listing import BOX, TOOL_FOLDER, LeftOut, Listing, counted
from preprocess.sources.persons import name_persons
from preprocess.sources.proposal import left_out, note_of, propose
from preprocess.sources.reading import find_labels, read_texts
from preprocess.sources.source import Layout, Place, Source, listed
from preprocess.sources.table import no_source, table_source

__all__ = ["Listing", "propose_labels", "scan", "source_path"]
_CONTEST: Final = {"train": "train.csv", "eval": "info.csv"}
_TABLES: Final = (".csv", ".tsv", ".parquet")
"""Suffixes by which a file is hardly anything else."""
LAYOUTS: Final[tuple[Layout, ...]] = (
    fairface.LAYOUT,
    voc.LAYOUT,
    adience.LAYOUT,
    celeba.LAYOUT,
    afdb.LAYOUT,
    maskedface.LAYOUT,
    utkface.LAYOUT,
)
"""Published sets of photos. The first that recognises its files reads them."""


def scan(data: Path, columns: Columns = Columns(), labels_file: Path | None = None) -> Listing:  # noqa: B008  it is frozen
    """List the photos of a source.

    Args:
        data: a folder, or a file named as a table is; the layout follows from what it holds.
        columns: names of the columns, where `data` is a table.
        labels_file: what the photos are labelled with; None for labels.toml beside them, else the contest's.

    Raises:
        ValueError: no such folder or table, no photo in it, a contest folder one level too high, or a source
            that cannot be trusted (column missing, photo or person twice, a label that is none).
    """
    labels, declared = find_labels(data, labels_file)
    place = Place(data=data, labels=labels, declared=declared, columns=columns)
    source = _source(place)
    if labels_file:
        used = labels_file.resolve()
        place.left_out[:] = [each for each in place.left_out if (data / each.path).resolve() != used]
    return _listing(source, place)


def propose_labels(data: Path, columns: Columns = Columns()) -> tuple[LabelSet | None, list[str]]:  # noqa: B008
    """A label set proposed for all that a source tells, and what is left out of it, in words.

    Raises:
        ValueError: as `scan`, but for labels that nobody knows.
    """
    place = Place(data=data, labels=CONTEST, declared=False, columns=columns, proposing=True)
    source = _source(place)
    proposed = propose(source, place)
    return proposed, left_out(source, proposed)


def _source(place: Place) -> Source:
    data = place.data
    table = is_table(data) and not data.is_dir()
    if not table and not data.is_dir():
        raise no_source(data)
    if not table and place.columns != Columns():
        raise ValueError(f"data={data}: a folder has no columns; --columns goes with a table")
    _check_columns(place)
    contest = None if table else _contest_layout(data)
    if contest:
        return (train_source if contest == "train" else eval_source)(place)
    for recognises, read in LAYOUTS:
        if recognises(place):
            return read(place)
    return table_source(place) if table else folder_source(place)


def _check_columns(place: Place) -> None:
    """Refuse the name of a column for a label that is none of the set's."""
    for field in dataclasses.fields(Columns):
        asked = getattr(place.columns, field.name) != field.default
        if asked and field.name in CONTEST.names and field.name not in place.labels.names:
            raise ValueError(
                f"columns.{field.name}: these labels have no factor {field.name}, but "
                f"{', '.join(place.labels.names)}; name a factor's column in the label file"
            )


def _contest_layout(data: Path) -> str | None:
    tables = [name for name in _CONTEST.values() if (data / name).is_file()]
    if len(tables) == 2:
        raise ValueError(f"{data}: holds train.csv and info.csv; which one is meant? Move one elsewhere")
    if tables:
        if not (data / "images").is_dir():
            raise ValueError(
                f"{data}: holds {tables[0]} but no folder `images` beside it; a table of another make is "
                f"given by its own name: --data {typed(data / tables[0])}"
            )
        return "train" if tables == ["train.csv"] else "eval"
    below = [name for name, table in _CONTEST.items() if (data / name / table).is_file()]
    if below:
        cures = " or ".join(f"--data {typed(data / name)}" for name in below)
        raise ValueError(f"data={data}: labelled and unseen photos are separate caches; give {cures}")
    return None


def _listing(source: Source, place: Place) -> Listing:
    photos = pd.DataFrame(source.photos)
    if photos.empty:
        raise ValueError("; ".join([f"data={place.data}: no photos in it", *_counts(place.left_out)]))
    labels, columns = read_texts(source, place)
    if (photos.problem != "").all():
        raise ValueError(
            f"data={place.data}: none of {len(photos)} photos can be read; the first, "
            f"{photos.source.iloc[0]}: {photos.problem.iloc[0]}"
        )
    names = ["position", "image_id", "source", "person", *place.labels.names, "bytes", "problem"]
    names += [name for name in (SPLIT, BOX) if name in photos]
    photos = photos.assign(position=range(len(photos)), **labels)[names]
    _note_missing(source, place, columns)
    spelt = name_persons(photos, place.labels, place.notes)
    if note := note_of(source, place, {*columns.values()}):
        place.notes.append(note)
    place.notes.extend(_counts(place.left_out))
    if not columns and not source.is_table:
        place.notes.extend(_tables_beside(place))
    rows = [(source_name(each.path), each.bytes, f"left out: {each.reason}") for each in place.left_out]
    others = pd.DataFrame(rows, columns=["source", "bytes", "reason"])
    return Listing(source.folder, source.layout, photos, place.labels, tuple(place.notes), others, spelt)


def _counts(others: list[LeftOut]) -> list[str]:
    """What lies among the photos and is none, counted by kind."""
    folders = [each for each in others if each.kind == TOOL_FOLDER]
    by_kind: dict[str, list[str]] = {}
    for each in others:
        if each.kind and each.kind != TOOL_FOLDER:
            by_kind.setdefault(each.kind.split(" ", 1)[1], []).append(each.path)
    notes = []
    if folders:
        photos = counted(sum(each.photos for each in folders), "photo")
        inside = counted(len(folders), "folder")
        names = listed(f"{each.path} ({each.photos})" for each in folders)
        notes.append(f"left out: {photos} in {inside}, hidden or a tool's: {names}")
    if by_kind:
        counts = [f"{counted(len(paths), kind)} ({listed(paths, 2)})" for kind, paths in by_kind.items()]
        notes.append(f"left out, since no photos: {', '.join(counts)}")
    return notes


def _tables_beside(place: Place) -> list[str]:
    """The tables that lie right among photos without labels: theirs may stand there."""
    names = [Path(each.path) for each in place.left_out]
    tables = [name for name in names if name.suffix.lower() in _TABLES and name.parent == Path()]
    return [
        f"{name} is a table: if it names photos and labels, give --data {typed(place.data / name)}"
        for name in tables[:1]
    ]


def _note_missing(source: Source, place: Place, columns: dict[str, str]) -> None:
    """Say which labels a table, or photos for which a label file is given, do not have."""
    missing = [name for name in place.labels.names if name not in columns]
    if not missing or not (source.is_table or place.declared):
        return
    if not source.is_table:
        place.notes.append(f"not known of these photos: {', '.join(missing)}")
        return
    options: list[Any] = [f"--columns.{name}" for name in missing if hasattr(Columns, name)]
    options += ["`column` in the label file"] if len(options) < len(missing) else []
    others = [str(name) for name in source.cells.columns if name not in columns.values()]
    there = f"; the table also has {', '.join(others)}" if others else ""
    place.notes.append(f"no column {', '.join(missing)}: not known{there} ({' or '.join(options)})")
