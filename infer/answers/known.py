"""Known answers: true classes and people of predicted photos, and what each network answered them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from faces.labels import FloatArray, IntArray
from faces.scores import class_scores
from infer.evaluate.scores import class_counts


def read_truth(path: Path, table: pd.DataFrame) -> IntArray:
    """[n] true 18-class codes in the order of the predictions.

    Args:
        path: a CSV with the columns ImageID and ans.
        table: the predictions; of it only ImageID is read.

    Raises:
        ValueError: no such file or column, or photos that only one side knows.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such answers file")
    answers = pd.read_csv(path, dtype={"ImageID": str})
    for column in ("ImageID", "ans"):
        if column not in answers:
            raise ValueError(f"{path}: no column {column!r}; it has {', '.join(answers.columns)}")
    known, predicted = set(answers.ImageID), set(table.ImageID)
    if known != predicted or answers.ImageID.duplicated().any():
        stray = sorted(known ^ predicted)[:3]
        raise ValueError(
            f"{path}: its {len(answers)} answers are not those of the {len(table)} predicted photos "
            f"(on one side only: {stray})"
        )
    return answers.set_index("ImageID").ans.loc[table.ImageID].to_numpy(np.int64)


def read_people(path: Path, table: pd.DataFrame) -> IntArray | None:
    """[n] numbers of the photos' people in the order of the predictions; None without a column `person`.

    Args:
        path: a file that `read_truth` accepts.
        table: the predictions; of it only ImageID is read.

    Raises:
        ValueError: a photo without a person.
    """
    answers = pd.read_csv(path, dtype={"ImageID": str, "person": str})
    if "person" not in answers:
        return None
    person = answers.set_index("ImageID").person.loc[table.ImageID]
    nameless = person.index[person.isna()]
    if len(nameless):
        raise ValueError(
            f"{path}: {len(nameless)} photos have no person, the first is {nameless[0]}; fill the column "
            "person, or leave it out"
        )
    return pd.factorize(person)[0]


def read_networks(path: Path, table: pd.DataFrame) -> list[IntArray]:
    """The answers of each network alone, where its heads tell all 18 classes.

    Args:
        path: networks.parquet; predictions that are older than it have none.
        table: ImageID and ans of the predictions; photos that no network saw keep that answer.

    Returns:
        [n] classes of each, in the order of `table`.

    Raises:
        ValueError: a damaged file.
    """
    if not path.is_file():
        return []
    try:
        networks = pd.read_parquet(path).set_index("ImageID").reindex(table.ImageID)
    except (OSError, ValueError, KeyError) as error:  # pyarrow's own errors are of these
        raise ValueError(
            f"{path}: not readable ({error}); delete {path.parent / 'basis.json'} and predict again"
        ) from error
    given = table["ans"].to_numpy(np.int64)
    columns = [column for _, column in networks.items()]
    return [np.where(each.isna(), given, each.fillna(0)).astype(np.int64) for each in columns]


@dataclass(frozen=True)
class Known:
    """True classes of photos whose people are known, for intervals over people."""

    truth: IntArray
    """[n] 18-class codes."""
    person: IntArray
    """[n] numbers of the photos' people from 0."""

    @property
    def people(self) -> int:
        """How many people there are."""
        return int(self.person.max()) + 1

    def counts(self, answers: Sequence[IntArray]) -> list[FloatArray]:
        """What `faces.intervals` estimates the macro F1 of answers from, the mean of several.

        Args:
            answers: [n] 18-class codes each.

        Returns:
            float32 [people, 3, 18] of each.
        """
        return [class_counts(self.person, self.truth, each) for each in answers]


def mean_scores(truth: IntArray, answers: Sequence[IntArray]) -> dict[str, float]:
    """`faces.scores.class_scores`, averaged over several answers to the same photos."""
    scores = [class_scores(truth, each) for each in answers]
    return {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}
