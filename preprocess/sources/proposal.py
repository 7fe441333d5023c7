"""Label sets proposed to a person for what a source tells and no factor knows; none is taken silently."""

from __future__ import annotations

import dataclasses
import re
from typing import Final

import numpy as np
import pandas as pd

from faces.command import typed
from faces.factors import NOT_KNOWN, UNKNOWN, Categories, Factor, Per, plain_word
from faces.labelling.kept import labels_text
from faces.labelling.label_file import FILE_NAME, RESERVED, label_set
from faces.labels import LabelSet
from preprocess.sources.persons import two_values
from preprocess.sources.reading import column_of
from preprocess.sources.source import Place, Source, listed

MOST_VALUES: Final = 12
"""Different values of a column above which it is taken for no label."""


def propose(source: Source, place: Place) -> LabelSet | None:
    """A label set of all that a source tells: what the set it is looked at with can read, and its other
    columns that have 2 to `MOST_VALUES` different values.

    Of people with several values a factor is proposed as the photo's. None where nothing is told.
    """
    people = pd.Series([str(photo["person"]) for photo in source.photos], dtype=object)
    factors: list[Factor] = []
    taken: set[str | None] = set()
    for factor in place.labels.factors:
        column = column_of(factor, source, place)
        values = None if column is None else _values(factor, source.cells[column])
        if values is not None:
            taken.add(column)
            factors.append(_of_photos(factor, people, values))
    for column in source.cells.columns:
        if column not in taken and column not in source.no_labels:
            names = {factor.name for factor in factors}
            new = _new_factor(str(column), source.cells[column], people, names)
            factors += [new] if new else []
    return label_set("proposal", tuple(factors)) if factors else None


def note_of(source: Source, place: Place, taken: set[str]) -> str:
    """What a run says of columns that may be labels and that it does not take, or ""."""
    left = [c for c in source.cells.columns if c not in taken | source.no_labels]
    names = [str(column) for column in left if 2 <= len(different(source.cells[column])) <= MOST_VALUES]
    if not names:
        return ""
    shown = [f"{name} ({listed(different(source.cells[name]), MOST_VALUES)})" for name in names]
    what = f"not taken, since no factor of these labels is called so: {listed(shown, MOST_VALUES)}."
    if place.declared:
        return f"{what} To take them, add them to the label file"
    proposed = propose(source, place) if len(names) <= MOST_VALUES else None
    command = f"make labels DATA={typed(place.data)} OUT={FILE_NAME}"
    if proposed is None:
        return f"{what} To take them, edit what `{command}` writes and give it as LABELS={FILE_NAME}"
    return (
        f"{what} To take them, correct these lines, save them as a file (`{command}` does) and give it as "
        f"LABELS={FILE_NAME}:\n{labels_text(proposed)}"
    )


def left_out(source: Source, proposed: LabelSet | None) -> list[str]:
    """Columns that a proposal leaves out, each with how many different values it has."""
    factors = proposed.factors if proposed else ()
    inside = {plain_word(name) for factor in factors for name in (factor.name, factor.column)}
    return [
        f"{column}: {len(different(source.cells[column]))} different values"
        for column in source.cells.columns
        if plain_word(str(column)) not in inside and column not in source.no_labels
    ]


def different(cells: pd.Series) -> list[str]:
    """The values of a column that are told, sorted, numbers by size."""
    words: dict[str, str] = {}
    for text in cells.unique():
        words.setdefault(plain_word(str(text)), str(text).strip())
    found = [text for word, text in words.items() if word not in NOT_KNOWN]
    numeric = all(re.fullmatch(r"-?\d+(\.\d+)?", text) for text in found)
    return sorted(found, key=float if numeric else None)


def _values(factor: Factor, cells: pd.Series) -> pd.Series | None:
    """The labels of a column, or None where the factor cannot read them all."""
    try:
        values = {text: factor.read(str(text)) for text in cells.unique()}
    except ValueError:
        return None
    return cells.map(values)


def _of_photos(factor: Factor, people: pd.Series, values: pd.Series) -> Factor:
    """The factor, as the photo's where somebody has two of its values."""
    if factor.per == "person" and two_values(people, factor.codes(values)):
        return dataclasses.replace(factor, per="photo")
    return factor


def _new_factor(column: str, cells: pd.Series, people: pd.Series, names: set[str]) -> Factor | None:
    values = different(cells)
    if not 2 <= len(values) <= MOST_VALUES or any(":" in value for value in values):
        return None
    name = re.sub(r"\W", "_", plain_word(column))
    if not name.isidentifier() or name in RESERVED | names:
        name = f"label_{name}"
    places = {plain_word(value): code for code, value in enumerate(values)}
    codes = cells.map({text: places.get(plain_word(str(text)), UNKNOWN) for text in cells.unique()})
    repeated = people[(people != "").to_numpy()].duplicated().any()
    per: Per = "person" if repeated and not two_values(people, codes.to_numpy(np.int64)) else "photo"
    called = "" if plain_word(name) == plain_word(column) else column
    return Categories(name=name, categories=tuple(values), per=per, column=called)
