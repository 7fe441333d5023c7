"""What an audit suggests, as rows of `audit.csv`, and what of it is chosen, as `corrections.csv`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.writer import CORRECTED
from faces.factors import Factor, Number
from faces.foreign.table import read_table
from faces.labels import IntArray
from report.audit.answers import Answers
from report.audit.suspects import Suspect
from report.audit.swaps import Swap

Kind = Literal["swap", "label"]
COLUMNS: Final = ("path", "person", "column", "value", "why")
"""Of corrections.csv, as `preprocess.sources.corrections` reads it."""


@dataclass(frozen=True)
class Change:
    """One label of a photo, or of all photos of a person, put right."""

    path: str
    person: str
    """Of path and person one is empty."""
    given: str
    value: str


@dataclass(frozen=True)
class Suggestion:
    """What a person is asked: is this label wrong?"""

    kind: Kind
    factor: str
    rows: IntArray
    """Rows of the cache whose crops are meant."""
    changes: tuple[Change, ...]
    """Two of a swap, one of a label."""
    quality: float
    """Probability of what is labelled, 0 to 1."""
    confidence: float
    """Probability of what is suggested, 0 to 1."""
    flagged: bool
    """Whether it is probably wrong, and in the draft, or only answered otherwise."""


def word_of(factor: Factor, code: int) -> str:
    """A class as a cell of a correction: its name, or of a band that no cell may say the middle of it."""
    name = factor.classes[code]
    if not isinstance(factor, Number):
        return name
    try:
        if int(factor.codes([factor.read(name)])[0]) == code:
            return name
    except ValueError:
        pass
    ends = (factor.least, *factor.edges, factor.most)
    return f"{(ends[code] + ends[code + 1]) / 2:g}"


def suggest_swaps(swaps: Sequence[Swap], factor: Factor, answers: Answers) -> list[Suggestion]:
    """A suggestion for each pair of photos whose labels are each other's."""
    path, row = answers.photos["path"], answers.photos["row"].to_numpy(np.int64)
    found = []
    for swap in swaps:
        words = [word_of(factor, code) for code in swap.given]
        changes = tuple(
            Change(str(path[place]), "", given, value)
            for place, given, value in zip(swap.rows, words, reversed(words), strict=True)
        )
        rows = row[[*swap.rows]]
        quality = 1 - swap.probability
        found.append(Suggestion("swap", factor.name, rows, changes, quality, swap.probability, True))
    return found


def suggest_labels(
    suspects: Sequence[Suspect], factor: Factor, answers: Answers, by_path: Collection[str]
) -> list[Suggestion]:
    """A suggestion for each photo, or person, whose label is suspect.

    Args:
        suspects: of the factor.
        factor: that they are labelled with.
        answers: of their photos.
        by_path: people whom no correction may name, since the source has them by other names.
    """
    photos, row = answers.photos, answers.photos["row"].to_numpy(np.int64)
    found = []
    for suspect in suspects:
        given, value = word_of(factor, suspect.given), word_of(factor, suspect.suggested)
        person = str(photos["person"].iloc[suspect.rows[0]])
        if suspect.named and person not in by_path:
            changes: tuple[Change, ...] = (Change("", person, given, value),)
        else:
            changes = tuple(
                Change(str(photos["path"].iloc[place]), "", given, value) for place in suspect.rows
            )
        found.append(
            Suggestion(
                kind="label",
                factor=factor.name,
                rows=row[suspect.rows],
                changes=changes,
                quality=suspect.quality,
                confidence=suspect.confidence,
                flagged=suspect.flagged,
            )
        )
    return found


def audit_table(suggestions: Iterable[Suggestion]) -> pd.DataFrame:
    """audit.csv: a row for each change; `number` says which belong to one suggestion.

    Columns number, kind, path, person, column, given, value, quality, confidence, flagged, rows (of
    the cache).
    """
    rows = [
        {
            "number": number,
            "kind": each.kind,
            "path": change.path,
            "person": change.person,
            "column": each.factor,
            "given": change.given,
            "value": change.value,
            "quality": f"{each.quality:.4f}",
            "confidence": f"{each.confidence:.4f}",
            "flagged": "yes" if each.flagged else "no",
            "rows": " ".join(map(str, each.rows.tolist())),
        }
        for number, each in enumerate(suggestions, 1)
        for change in each.changes
    ]
    names = ["number", "kind", "path", "person", "column", "given", "value", "quality", "confidence"]
    names += ["flagged", "rows"]
    return pd.DataFrame(rows, columns=names)


def earlier_corrections(cache: Cache) -> pd.DataFrame:
    """What stage 1 corrected already of a cache's photos, with the `COLUMNS` of a table of corrections.

    The next table takes that one's place, so it has to say this again.
    """
    path = cache.folder / CORRECTED
    if not path.is_file():
        return pd.DataFrame(columns=[*COLUMNS])
    table = read_table(path, ("path", "person", "column", "after", "why"))
    return table.rename(columns={"after": "value"})[[*COLUMNS]].reset_index(drop=True)


def renamed_people(earlier: pd.DataFrame, cache: Cache) -> set[str]:
    """People by the cache whom earlier corrections made of others: the source knows them by other names, or
    knows more of them."""
    moved = earlier[earlier["column"] == "person"]
    index = cache.index
    touched = index["source"].isin({*moved["path"]} - {""}) | index["person"].isin({*moved["value"]})
    return {*index["person"][touched], *moved["value"], *moved["person"]} - {""}


def merged(earlier: pd.DataFrame, new: pd.DataFrame, cache: Cache) -> pd.DataFrame:
    """Earlier corrections and new ones as one table, in which no label of a photo has two values.

    Where both tell a label, the new one stands; an earlier row by person of whom the new ones name some
    photos alone is said again photo by photo for the others.

    Args:
        earlier: with the `COLUMNS`; `earlier_corrections`.
        new: with the `COLUMNS`.
        cache: of the photos.
    """
    photos = pd.concat([cache.index, cache.rejects], ignore_index=True)
    told = {column: _meant(rows, photos) for column, rows in new.groupby("column")}
    kept: list[dict[Any, Any]] = []
    for _, row in earlier.iterrows():
        mine = _meant(row.to_frame().T, photos)
        again = mine & told.get(row["column"], set())
        if not again:
            kept.append(row.to_dict())
        elif row["person"]:
            rest = photos["source"].iloc[sorted(mine - again)]
            kept += [{**row.to_dict(), "path": source, "person": ""} for source in rest]
    return pd.concat([pd.DataFrame(kept, columns=[*COLUMNS]), new[[*COLUMNS]]], ignore_index=True)


def _meant(rows: pd.DataFrame, photos: pd.DataFrame) -> set[int]:
    """Places of the photos that rows of a table of corrections name."""
    paths, people = {*rows["path"]} - {""}, {*rows["person"]} - {""}
    named = photos["source"].isin(paths) | photos["image_id"].isin(paths) | photos["person"].isin(people)
    return set(np.flatnonzero(named).tolist())


def read_audit(path: Path) -> pd.DataFrame:
    """audit.csv as `audit_table` made it, numbers and rows as such.

    Raises:
        ValueError: it is missing, or is none.
    """
    table = read_table(
        path, (*COLUMNS[:4], "number", "kind", "given", "quality", "confidence", "flagged", "rows")
    )
    return table.astype({"number": int, "quality": float, "confidence": float})
