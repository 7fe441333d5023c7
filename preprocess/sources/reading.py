"""Turns what a source writes into labels: the one place where texts are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.command import nearest, typed
from faces.factors import Factor, plain_word
from faces.foreign.table import match_column
from faces.labelling.label_file import FILE_NAME, read_labels
from faces.labels import CONTEST, Categories, LabelSet, Number
from preprocess.sources.source import Place, Source, listed


def find_labels(data: Path, file: Path | None) -> tuple[LabelSet, bool]:
    """The label set of a source, and whether a file declares it.

    Args:
        data: a folder, or a table.
        file: a label file; None for labels.toml in the folder or beside the table, else the contest's set.

    Raises:
        ValueError: the file is not there, or no label file.
    """
    beside = (data if data.is_dir() else data.parent) / FILE_NAME
    if file is None and not beside.is_file():
        return CONTEST, False
    return read_labels(file or beside), True


def column_of(factor: Factor, source: Source, place: Place) -> str | None:
    """The column of a source that holds a factor, or None; case, spaces and hyphens make no difference.

    Raises:
        ValueError: two columns are called so, or in a table a column expected by name is not there.
    """
    given = getattr(place.columns, factor.name, factor.name)
    asked = "" if given == factor.name else given
    names = [asked] if asked else [factor.column, factor.name] if factor.column else [factor.name]
    for name in names:
        found = match_column(name, source.cells.columns, place.data)
        if found is not None:
            return found
        if source.is_table and (asked or factor.column):
            cure = f"say which it is with --columns.{factor.name} NAME" if asked else "correct the label file"
            raise ValueError(
                f"{place.data}: no column {name} of labels; there are "
                f"{', '.join(source.cells.columns) or 'none'}: {cure}"
            )
    return None


def read_texts(source: Source, place: Place) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The labels that the texts of a source mean.

    Returns:
        [n] labels by factor, all of them; and the column by factor, of those that are told.

    Raises:
        ValueError: a text is no label, with its place, column and the nearest words.
    """
    labels: dict[str, NDArray[Any]] = {}
    columns = {
        factor.name: column
        for factor in place.labels.factors
        if (column := column_of(factor, source, place)) is not None
    }
    for factor in place.labels.factors:
        column = columns.get(factor.name)
        if column is None:
            labels[factor.name] = np.full(len(source.photos), factor.missing).astype(factor.dtype)
            continue
        codes, texts = pd.factorize(source.cells[column])
        values = [
            _read(factor, str(text), code, codes, column, source, place) for code, text in enumerate(texts)
        ]
        labels[factor.name] = np.array(values)[codes].astype(factor.dtype)
        place.notes.extend(_meanings(factor, column, [*map(str, texts)], np.bincount(codes)))
    return labels, columns


def _read(
    factor: Factor, text: str, code: int, codes: NDArray[Any], column: str, source: Source, place: Place
) -> float:
    try:
        return factor.read(text)
    except ValueError as error:
        row = int(np.argmax(codes == code))
        cure = ""
        if isinstance(factor, Categories) and not place.declared:
            cure = f"; to declare values of your own: make labels DATA={typed(place.data)}"
        raise ValueError(f"{source.where(row)}, column {column}: {error}{cure}") from error


def _meanings(factor: Factor, column: str, texts: list[str], counts: NDArray[Any]) -> list[str]:
    """What numbers and ranges were taken for: elsewhere they may mean another thing."""
    notes = []
    known: Mapping[str, int] = factor.codes_by_word() if isinstance(factor, Categories) else {}
    if any(re.fullmatch(r"\s*\d(\.0)?\s*", text) and text not in factor.classes for text in texts) and known:
        meaning = [f"{word} is {factor.classes[code]}" for word, code in known.items() if word.isdecimal()]
        notes.append(f"numbers in column {column}: {', '.join(meaning)}")
    nones = [i for i, text in enumerate(texts) if plain_word(text) == "none"]
    if nones and "none" in known:
        notes.append(
            f"{counts[nones].sum()} photos have {column} {texts[nones[0]]!r}, which is taken for "
            f"{factor.classes[known['none']]}; leave the cell empty where it is not known"
        )
    if isinstance(factor, Number):
        across = [i for i, text in enumerate(texts) if _is_across(factor, text)]
        if across:
            notes.append(
                f"{counts[across].sum()} photos have a range of {factor.name} such as {texts[across[0]]!r}, "
                "which lies in two of its bands: its middle decides"
            )
    return notes


def _is_across(factor: Number, text: str) -> bool:
    low, high = factor.span(text) or (0, 0)
    return any(low < edge < high for edge in factor.edges)


def meanings(names: Iterable[str], labels: LabelSet) -> dict[str, dict[str, str]]:
    """The labels, as texts by factor, of those names that are words for a category or a class.

    `none` may be none of anything: where it is only a word for a category, it counts beside other names that
    are all labels.

    Args:
        names: of folders or objects.
        labels: whose words count; with a headline, the names of its classes too.

    Raises:
        ValueError: a name is a word of two factors.
    """
    by_word: dict[str, list[str]] = {}
    for factor in labels.factors:
        for word in factor.codes_by_word() if isinstance(factor, Categories) else ():
            by_word.setdefault(word, []).append(factor.name)
    classes = {plain_word(told): i for i, told in enumerate(_classes(labels))}
    found = {}
    there = [*names]
    for name in there:
        word = plain_word(name)
        factors = by_word.get(word, [])
        if len(factors) > 1:
            raise ValueError(
                f"{name!r} is a word of {' and '.join(factors)}; rename it so that it means one of them, or "
                "list the photos in a table with a column for each"
            )
        if factors:
            found[name] = {factors[0]: name}
        elif word in classes:
            found[name] = class_texts(classes[word], labels)
    named = any("none" in map(plain_word, factor.classes) for factor in labels.factors)
    others = {name: texts for name, texts in found.items() if plain_word(name) != "none"}
    return found if named or (others and len(found) == len(there)) else others


def class_texts(code: int, labels: LabelSet) -> dict[str, str]:
    """The values of a class of the headline, by factor."""
    texts = {}
    for factor in reversed(labels.task(labels.headline).parts):
        code, place = divmod(code, len(factor.classes))
        texts[factor.factor.name] = factor.classes[place]
    return texts


def _classes(labels: LabelSet) -> tuple[str, ...]:
    return labels.task(labels.headline).classes if labels.headline else ()


def name_labels(
    names: Mapping[str, int], known: Mapping[str, dict[str, str]], place: Place, what: str
) -> bool:
    """Whether all names are labels; False where none is and no label file says that they are to be.

    Args:
        names: how many photos each has.
        known: `meanings` of some.
        place: where they were found.
        what: they are the names of, in the plural.

    Raises:
        ValueError: some are and others not, or a label file is given and none is; with what was found.
    """
    strange = [name for name in names if name not in known]
    if not strange:
        return True
    if place.proposing or (not known and not place.declared):
        return False
    found = ", ".join(f"{name or '(none)'} {count}" for name, count in [*names.items()][:20])
    hint = nearest(strange[0], [*_all_words(place.labels)]) if place.declared else ""
    cure = (
        f"correct the label file ({hint}), or leave it out where these photos have no labels"
        if place.declared
        else f"declare them in {FILE_NAME}, such as label = {_toml(names)} "
        f"(make labels DATA={typed(place.data)}), or list the photos in a table"
    )
    mine = (
        f"{listed(known)} mean {', '.join(sorted({f for each in known.values() for f in each}))}, but "
        if known
        else ""
    )
    raise ValueError(
        f"data={place.data}: {what} {mine}{listed(name or '(photos beside them)' for name in strange)} "
        f"mean no label; found: {found}: {cure}"
    )


def _toml(names: Mapping[str, int]) -> str:
    return "[" + ", ".join(f'"{name}"' for name in sorted(names)[:20] if name) + "]"


def _all_words(labels: LabelSet) -> list[str]:
    return [w for f in labels.factors if isinstance(f, Categories) for w in f.codes_by_word()]
