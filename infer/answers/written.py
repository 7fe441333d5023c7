"""What a folder of predictions holds: its table, and the task and factors that it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from faces.label_file import labels_stored, stored_labels
from faces.labels import LabelSet, Task

BASIS: Final = "basis.json"
"""The file that says what answers follow from; written last."""
TABLE: Final = "probabilities.parquet"
"""The file of the answers with their probabilities."""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """What answers follow from, and what they answer."""

    task: Task
    """What was voted on."""
    labels: LabelSet
    """The factors that the task is of."""
    follows: Mapping[str, Any]
    """Ensemble, cache and the hashes of the runs."""

    @property
    def entries(self) -> dict[str, Any]:
        """The content of `BASIS`."""
        return {**self.follows, "space": self.task.name, "labels": stored_labels(self.labels)}


@dataclass(frozen=True, kw_only=True)
class Written:
    """The predictions of a folder."""

    table: pd.DataFrame
    """Columns ImageID, ans (class of the task), answered_by, agreement, and `task.columns`."""
    task: Task
    """What was voted on."""
    labels: LabelSet
    """The factors that the task is of."""


def space_of_folder(folder: Path) -> tuple[Task, LabelSet]:
    """The task that the predictions of a folder answer, and its factors.

    Raises:
        ValueError: no or unfinished predictions, or a damaged file.
    """
    path = folder / BASIS
    if not path.is_file():
        raise ValueError(
            f"{path}: no such file, so {folder} holds no finished predictions; predict with `make infer`"
        )
    try:
        basis: Mapping[str, Any] = json.loads(path.read_text())
        # Predictions that are older than this entry are all of the contest's classes.
        labels = labels_stored(basis.get("labels"), path)
        return labels.task(basis.get("space", "class18")), labels
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path}: not readable as the basis of predictions ({error}); delete {folder} and predict again"
        ) from error


def read_written(folder: Path) -> Written:
    """The predictions of a folder.

    Raises:
        ValueError: no or unfinished predictions, or damaged ones.
    """
    path = folder / TABLE
    if not path.is_file():
        raise ValueError(f"{path}: no such file; predict first with `make infer`")
    task, labels = space_of_folder(folder)
    try:
        table = pd.read_parquet(path)
        table = table[["ImageID", "ans", "answered_by", "agreement", *task.columns]]
    except (OSError, ValueError, KeyError) as error:  # pyarrow's own errors are of these
        raise ValueError(
            f"{path}: not readable as predictions ({error}); delete {folder} and predict again"
        ) from error
    return Written(table=table, task=task, labels=labels)
