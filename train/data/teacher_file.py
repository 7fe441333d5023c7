"""Predictions from files, matched with the photos of a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.reader import Cache
from faces.command import nearest
from faces.labels import UNKNOWN, IntArray, LabelSet, Task
from faces.storage.tables import read_table

BoolArray = NDArray[np.bool_]
TOLERANCE = 1e-3
"""By how much the probabilities of a photo, stored as float32, may differ from a sum of 1."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A teacher's answers to the n photos of a cache."""

    task: Task
    """Of which it answers."""
    probabilities: NDArray[np.float64]
    """[n, classes] summing to 1, or to 0 where it does not answer."""
    choices: IntArray
    """[n] the class it answers with, `UNKNOWN` where it does not answer."""

    def sure(self, above: float) -> BoolArray:
        """[n] whether it answers with a class to which it gives at least this probability."""
        chosen = np.take_along_axis(self.probabilities, np.maximum(self.choices, 0)[:, None], axis=1)[:, 0]
        return np.asarray((self.choices != UNKNOWN) & (chosen >= above))


def read_teacher(files: Sequence[str], cache: Cache) -> Answers:
    """Predictions of several files together for the photos of a cache.

    Args:
        files: at least one, each as `read_predictions` wants it.
        cache: whose photos are meant.

    Raises:
        ValueError: as `read_predictions`, files of different tasks, or two that answer the same photo.
    """
    parts = [read_predictions(Path(file), cache) for file in files]
    for file, answers in zip(files, parts, strict=True):
        if answers.task.parts != parts[0].task.parts:
            raise ValueError(
                f"{file}: answers of {answers.task.name}, {files[0]} of {parts[0].task.name}; name files of "
                "one task in teacher.predictions"
            )
    probabilities = parts[0].probabilities.copy()
    choices = parts[0].choices.copy()
    for file, answers in zip(files[1:], parts[1:], strict=True):
        mine = answers.choices != UNKNOWN
        both = np.flatnonzero(mine & (choices != UNKNOWN))
        if len(both):
            first = cache.columns("image_id")["image_id"].iloc[both[0]]
            raise ValueError(
                f"{file}: answers {len(both)} photos that a file before it in teacher.predictions answers "
                f"too, the first is {first!r}; name files of different photos"
            )
        probabilities[mine], choices[mine] = answers.probabilities[mine], answers.choices[mine]
    return Answers(task=parts[0].task, probabilities=probabilities, choices=choices)


def read_predictions(path: Path, cache: Cache) -> Answers:
    """Predictions of a file for the photos of a cache.

    Args:
        path: Parquet with ans, a column of probabilities for each class of one task (`Task.columns`), and key
            or ImageID, by which photos are found; of a file with both, the key decides and the ImageID must
            agree.
        cache: whose photos are meant; those that the file does not name get no answer.

    Raises:
        ValueError: no such file, columns missing or unknown, a photo named twice, values that are no
            probabilities or no class, or no photo of the cache is in it.
    """
    table = _read(path)
    name = "key" if "key" in table else "ImageID"
    task = _task_of(table, cache.label_set, path)
    _check_names(table, name, task, path)
    for column in task.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            value = table[column].iloc[0]
            raise ValueError(f"{path}: column {column!r} holds {value!r} and not numbers; predict again")
    probabilities = table[task.columns].to_numpy(np.float64)
    choices = _checked(table, probabilities, name, task, path)
    known = cache.columns("key", "image_id")
    at = pd.Index(table[name]).get_indexer(pd.Index(known["key" if name == "key" else "image_id"]))
    found = at >= 0
    if not found.any():
        raise ValueError(
            f"{path}: none of its {len(table)} photos is in {cache.folder}, the first is {name} "
            f"{table[name].iloc[0]!r}; name predictions of this cache's photos"
        )
    if name == "ImageID":
        twice = known["image_id"][found & known["image_id"].duplicated().to_numpy()]
        if len(twice):
            raise ValueError(
                f"{path}: ImageID {twice.iloc[0]!r} is the name of several photos of {cache.folder} "
                f"({len(twice)} such); name predictions with a column key, which tells them apart"
            )
    elif "ImageID" in table:
        _check_same_photos(known[found], table.iloc[at[found]], path, cache)
    answers = np.where(found[:, None], probabilities[at], 0.0)
    return Answers(task=task, probabilities=answers, choices=np.where(found, choices[at], UNKNOWN))


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise ValueError(
            f"teacher.predictions={str(path)!r}: no such file; predict first (`make infer ENSEMBLE=... "
            "CACHE=...`), or name another file of predictions"
        )
    return read_table(path, "predict again, or name another file of predictions").rows


def _task_of(table: pd.DataFrame, labels: LabelSet, path: Path) -> Task:
    """The task whose probabilities a table holds: that before the colons in its columns' names, or without
    any the headline, whose columns have no colons."""
    named = [*dict.fromkeys(str(column).split(":")[0] for column in table.columns if ":" in str(column))]
    if len(named) > 1 or not (named or labels.headline):
        raise ValueError(
            f"{path}: probabilities of {' and '.join(named) or 'no task'}; it must have those of one, as "
            "predictions of `make infer` have"
        )
    try:
        return labels.task(named[0] if named else labels.headline)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; name predictions of photos labelled like these") from error


def _check_names(table: pd.DataFrame, name: str, task: Task, path: Path) -> None:
    """Refuse columns that are missing or of no known class, photos named twice, and a table of none."""
    columns = [str(column) for column in table.columns]
    first = task.columns[0].split(":")[0] + ":" if ":" in task.columns[0] else ""
    strange = [
        column
        for column in columns
        if column not in task.columns
        and (column.startswith(first) if first else column.partition(" ")[0] in task.parts[0].classes)
    ]
    if strange:
        raise ValueError(
            f"{path}: column {strange[0]!r} is no class: {nearest(strange[0], task.columns)}; predict again"
        )
    missing = [column for column in (name, "ans", *task.columns) if column not in columns]
    if missing:
        raise ValueError(
            f"{path}: no column {missing[0]!r} ({len(missing)} missing); it must have ImageID or key, ans, "
            f"and the {len(task.classes)} classes of {task.name}, as predictions of `make infer` have"
        )
    if table.empty:
        raise ValueError(f"{path}: no rows; predict again")
    twice = table[name][table[name].duplicated()].unique()
    if len(twice):
        listed = ", ".join(repr(value) for value in twice[:3])
        raise ValueError(
            f"{path}: {name} {listed} occurs more than once ({len(twice)} such); keep one of each"
        )


def _checked(table: pd.DataFrame, values: NDArray[np.float64], name: str, task: Task, path: Path) -> IntArray:
    """[rows of the file] classes answered with, after all values were looked at."""
    row, column = np.nonzero(~((values >= 0) & (values <= 1 + TOLERANCE)))  # NaN too
    if len(row):
        raise ValueError(
            f"{path}: {name} {table[name].iloc[row[0]]!r}: probability {values[row[0], column[0]]} of "
            f"{task.classes[column[0]]!r} ({len({*row})} such photos); it must be in 0 to 1; predict again, "
            "or leave such photos out"
        )
    wrong = np.flatnonzero(np.abs(values.sum(1) - 1) > TOLERANCE)
    if len(wrong):
        raise ValueError(
            f"{path}: {name} {table[name].iloc[wrong[0]]!r}: its {len(task.classes)} probabilities sum to "
            f"{values[wrong[0]].sum():.4g} ({len(wrong)} such photos); they must sum to 1; predict again"
        )
    answered = pd.to_numeric(table["ans"], errors="coerce").to_numpy(np.float64)
    strange = np.flatnonzero(~np.isin(answered, np.arange(len(task.classes))))
    if len(strange):
        raise ValueError(
            f"{path}: {name} {table[name].iloc[strange[0]]!r}: ans {table['ans'].iloc[strange[0]]} "
            f"({len(strange)} such photos) is no class from 0 to {len(task.classes) - 1}; predict again"
        )
    return answered.astype(np.int64)


def _check_same_photos(known: pd.DataFrame, named: pd.DataFrame, path: Path, cache: Cache) -> None:
    """Refuse keys under which another photo stands: those of caches are numbers, so alike in all."""
    other = np.flatnonzero(known["image_id"].to_numpy() != named["ImageID"].to_numpy())
    if len(other):
        row = other[0]
        raise ValueError(
            f"{path}: key {named['key'].iloc[row]!r} is ImageID {named['ImageID'].iloc[row]!r} there and "
            f"{known['image_id'].iloc[row]!r} in {cache.folder} ({len(other)} such photos); predict the "
            "photos of this very cache, or leave the column key out"
        )
