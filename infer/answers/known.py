"""Known answers: true classes and people of predicted photos, and what each network answered them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faces.factors import NOT_KNOWN, plain_word
from faces.foreign.persons import person_key
from faces.foreign.photos import rows_of_photos
from faces.foreign.table import match_column, read_table
from faces.intervals import person_counts
from faces.labels import UNKNOWN, FloatArray, IntArray, LabelSet, Task
from faces.projection import split_classes
from faces.scores import class_scores
from faces.storage import tables
from faces.storage.documents import DamagedError
from infer.answers.written import AGAIN, check_file, read_basis

NAMES = ("ImageID", "path")
"""Columns that name a photo, as the source calls it."""


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What is known of n photos."""

    task: Task
    classes: IntArray
    """[n] classes of the task, `UNKNOWN` where a factor is not known."""
    factors: Mapping[str, IntArray]
    """[n] codes of each factor that the task tells, `UNKNOWN` where not known."""

    @classmethod
    def of(cls, factors: Mapping[str, IntArray], task: Task) -> Truth:
        """The truth of a task whose every factor is given, in codes of its parts."""
        codes = [factors[name] for name in task.factors]
        known = np.min(codes, axis=0) >= 0
        classes = np.ravel_multi_index([np.where(known, each, 0) for each in codes], task.sizes)
        return cls(task=task, classes=np.where(known, classes, UNKNOWN).astype(np.int64), factors=factors)

    def scores(self, answers: IntArray) -> dict[str, float]:
        """`faces.scores.class_scores` of [n] answers, each over the photos on which it can be told; NaN where
        there is none."""
        known = self.classes >= 0
        names = ["macro_f1", "accuracy", *(self.task.factors if len(self.task.factors) > 1 else ())]
        scores = dict.fromkeys(names, float("nan"))
        if known.any():
            scores |= class_scores(self.classes[known], answers[known], self.task)
        codes = split_classes(answers, self.task)
        for name in names[2:]:
            told = self.factors[name] >= 0
            if told.any():
                scores[name] = float((codes[name] == self.factors[name])[told].mean())
        return scores

    def mean_scores(self, answers: Sequence[IntArray]) -> dict[str, float]:
        """`scores`, averaged over several answers to the same photos."""
        every = [self.scores(each) for each in answers]
        return {name: float(np.mean([one[name] for one in every])) for name in every[0]}

    @property
    def unknown(self) -> str:
        """Of how many photos which factors are not known, for people; "" where all are."""
        counts = {name: int((codes < 0).sum()) for name, codes in self.factors.items()}
        return ", ".join(f"{name} of {count:,} photos" for name, count in counts.items() if count)


def read_truth(
    path: Path, table: pd.DataFrame, task: Task, labels: LabelSet, notes: list[str] | None = None
) -> Truth:
    """What a file of answers knows of the predicted photos, in the order of the predictions.

    Args:
        path: a table with a column ImageID or path, and `ans`, the class, or a column for each factor of the
            task: words, codes or numbers, as the factors read them. `ans` counts the classes of the labels'
            headline task, the contest's 18; where there is none those of the task, and only where the factors
            have no columns. Empty is not known, as is each of `NOT_KNOWN`, and -1 in `ans`.
        table: the predictions; of it only ImageID is read.
        task: that was predicted.
        labels: whose factors it tells.
        notes: gets sentences on what was found out about the file.

    Raises:
        ValueError: as `read_table` and `rows_of_photos`, a column missing, or what means no answer.
    """
    answers = _answers_to(path, table, [] if notes is None else notes)
    coded = labels.task(labels.headline) if labels.headline else task
    parts = dict(zip(coded.factors, coded.parts, strict=True))
    counted = all(parts.get(part.factor.name) == part for part in task.parts)
    named = {name: labels.factor(name).column for name in task.factors}
    columns = {
        name: match_column(name, answers.columns, path) or match_column(column, answers.columns, path)
        for name, column in named.items()
    }
    missing = [name for name, column in columns.items() if column is None]
    ans = match_column("ans", answers.columns, path)
    # Without a headline `ans` may be the class of something else, as in the drawn sample's answers.
    if ans and counted and (labels.headline or missing):
        codes = _codes(answers[ans], coded, path, table)
        return Truth.of({name: codes[name] for name in task.factors}, task)
    if missing:
        either = "'ans', nor " if counted else ""
        raise ValueError(
            f"{path}: no column {either}{', '.join(map(repr, missing))}; it has {', '.join(answers.columns)}"
        )
    read = {
        name: _read(answers[column], labels, name, path, table)
        for name, column in columns.items()
        if column is not None
    }
    return Truth.of({part.factor.name: part.encode(read[part.factor.name]) for part in task.parts}, task)


def _answers_to(path: Path, table: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The rows of a file of answers, all text, by row number in the order of the predictions."""
    answers = read_table(path, (), notes)
    name = next((found for each in NAMES if (found := match_column(each, answers.columns, path))), None)
    if name is None:
        raise ValueError(
            f"{path}: no column {NAMES[0]!r}, nor {NAMES[1]!r}; it has {', '.join(answers.columns)}"
        )
    photos = [*table.ImageID]
    first = next((photo for photo in photos if photo.endswith("#1")), "").removesuffix("#1")
    faces = f" (the faces of {first} are {first}#1, {first}#2, ...)" if first else ""
    cure = f"give one row to each predicted photo{faces}, with an empty cell for what is not known of it"
    return rows_of_photos(answers, name, photos, path, notes, cure)


def _codes(answers: pd.Series[str], task: Task, path: Path, table: pd.DataFrame) -> dict[str, IntArray]:
    """Codes of each factor of the classes in a column `ans`; an empty one, or -1, is not known."""
    # A column of whole numbers with gaps is often stored as 0.0, 1.0.
    given = answers.str.strip().str.replace(r"^(-?[0-9]+)\.0*$", r"\1", regex=True)
    given = given.mask(given.map(lambda text: plain_word(text) in NOT_KNOWN), "-1")
    known = [*map(str, range(-1, len(task.classes)))]
    for place in np.flatnonzero(~given.isin(known))[:1]:
        raise ValueError(
            f"{path}, row {answers.index[place]}, {table.ImageID.iloc[place]}: {answers.name} is "
            f"{answers.iloc[place]!r}, and the classes of {task.name} are 0 to {known[-1]}; write one of "
            "them, or leave it empty where it is not known"
        )
    classes = given.to_numpy(np.int64)
    parts = split_classes(np.maximum(classes, 0), task)
    return {name: np.where(classes < 0, UNKNOWN, codes) for name, codes in parts.items()}


def _read(values: pd.Series[str], labels: LabelSet, name: str, path: Path, table: pd.DataFrame) -> FloatArray:
    factor = labels.factor(name)
    meaning: dict[str, float] = {}
    for text in values.unique():
        try:
            meaning[text] = factor.read(text)
        except ValueError as error:
            place = int(np.flatnonzero(values == text)[0])
            where = f"{path}, row {values.index[place]}, {table.ImageID.iloc[place]}"
            raise ValueError(f"{where}: {error}") from error
    return values.map(meaning).to_numpy(factor.dtype)


def read_people(path: Path, table: pd.DataFrame) -> IntArray | None:
    """[n] numbers of the photos' people in the order of the predictions; None without a column `person`.

    Args:
        path: a file that `read_truth` accepts.
        table: the predictions; of it only ImageID is read.

    Raises:
        ValueError: a photo without a person.
    """
    answers = _answers_to(path, table, [])
    column = match_column("person", answers.columns, path)
    if column is None:
        return None
    people = answers[column].map(person_key)
    nameless = np.flatnonzero(people == "")
    if len(nameless):
        first = f"{table.ImageID.iloc[nameless[0]]}, in row {people.index[nameless[0]]}"
        raise ValueError(
            f"{path}: {len(nameless)} photos have no person, the first is {first}; fill the column person, "
            "or leave it out"
        )
    return pd.factorize(people)[0]


def read_networks(path: Path, table: pd.DataFrame, classes: int) -> list[IntArray]:
    """The answers of each network alone, where its heads tell the task.

    Args:
        path: networks.parquet; predictions that are older than it have none.
        table: ImageID and ans of the predictions; photos that no network saw keep that answer.
        classes: how many the task has.

    Returns:
        [n] classes of each, in the order of `table`.

    Raises:
        DamagedError: a damaged file, or of other predictions.
    """
    if entries := read_basis(path.parent):
        check_file(path.parent, path.name, entries)
    if not path.is_file():
        return []
    rows = tables.read_table(path, AGAIN).rows
    if "ImageID" not in rows:
        raise DamagedError(f"{path}: no column 'ImageID'; {AGAIN}")
    networks = rows.set_index("ImageID")
    if networks.index.duplicated().any() or not networks.index.isin(table.ImageID).all():
        raise DamagedError(f"{path}: of other photos than the predictions beside it; {AGAIN}")
    if not networks.isin(range(classes)).all(axis=None):
        raise DamagedError(f"{path}: answers that are no class from 0 to {classes - 1}; {AGAIN}")
    networks = networks.reindex(table.ImageID)
    given = table["ans"].to_numpy(np.int64)
    columns = [column for _, column in networks.items()]
    return [np.where(each.isna(), given, each.fillna(0)).astype(np.int64) for each in columns]


@dataclass(frozen=True)
class Known:
    """True classes of photos whose people are known, for intervals over people."""

    truth: Truth
    person: IntArray
    """[n] numbers of the photos' people from 0."""

    @property
    def people(self) -> int:
        """How many people there are."""
        return int(self.person.max()) + 1

    def counts(self, answers: Sequence[IntArray]) -> list[FloatArray]:
        """What `faces.intervals` estimates the macro F1 of answers from, the mean of several.

        Args:
            answers: [n] classes each.

        Returns:
            float32 [people, 3, classes] of each, over the photos whose class is known.
        """
        classes, size = self.truth.classes, len(self.truth.task.classes)
        known = classes >= 0
        return [
            person_counts(self.person[known], classes[known], each[known], self.people, size)
            for each in answers
        ]
