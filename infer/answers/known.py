"""Known answers, and how far what they say of predictions would move with other people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faces.intervals import drawn_f1, interval, person_counts
from faces.labels import CLASS_COUNT, FloatArray, IntArray
from faces.scores import class_scores


def read_answers(path: Path, table: pd.DataFrame) -> IntArray:
    """[n] true classes in the order of the predictions.

    Raises:
        ValueError: no such file or column, or photos that only one side knows.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such answers file")
    answers = pd.read_csv(path, dtype={"ImageID": str})
    for column in ("ImageID", "ans"):
        if column not in answers:
            raise ValueError(f"{path}: no column {column!r}; it has {', '.join(answers.columns)}")
    known, asked = set(answers.ImageID), set(table.ImageID)
    if known != asked or answers.ImageID.duplicated().any():
        stray = sorted(known ^ asked)[:3]
        raise ValueError(
            f"{path}: its {len(answers)} answers are not those of the {len(table)} predicted photos "
            f"(on one side only: {stray})"
        )
    return answers.set_index("ImageID").ans.loc[table.ImageID].to_numpy(np.int64)


def read_people(path: Path, table: pd.DataFrame) -> IntArray | None:
    """[n] numbers of the photos' people in the order of the predictions; None without a column `person`.

    Args:
        path: a file that `read_answers` took.
        table: of the predictions.

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
    """What each network answers that tells all 18 classes by itself.

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
    return [np.where(said.isna(), given, said.fillna(0)).astype(np.int64) for _, said in networks.items()]


class Known:
    """True classes of photos whose people are known, for intervals over people.

    Args:
        truth: [n] 18-class codes.
        people: [n] numbers of the photos' people, each below their number.
    """

    def __init__(self, truth: IntArray, people: IntArray) -> None:
        self._truth, self._people = truth, people
        self.number = int(people.max()) + 1
        """How many people there are."""

    def drawn(self, answers: Sequence[IntArray]) -> FloatArray:
        """Macro F1 of answers, the mean of several, in draws of people; the same draws at each call."""
        shape = self.number, CLASS_COUNT
        return drawn_f1([person_counts(self._people, self._truth, said, *shape) for said in answers])

    def told(self, answers: Sequence[IntArray], less: Sequence[IntArray] = ()) -> str:
        """`[low, high]`: the 95 % interval of `drawn(answers)`, or of that less `drawn(less)`."""
        scores = self.drawn(answers) - self.drawn(less) if less else self.drawn(answers)
        low, high = interval(scores)
        return f"[{low:+.3f}, {high:+.3f}]" if less else f"[{low:.3f}, {high:.3f}]"


def mean_scores(truth: IntArray, answers: Sequence[IntArray]) -> dict[str, float]:
    """`faces.scores.class_scores`, averaged over several answers to the same photos."""
    scores = [class_scores(truth, said) for said in answers]
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}
