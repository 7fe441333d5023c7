"""What a folder of predictions holds: its table, and the task and factors that it answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from faces.cache.reader import Cache
from faces.label_file import labels_stored, stored_labels
from faces.labels import LabelSet, Task
from infer.predict.others import check_not_of_another, title_of

BASIS: Final = "basis.json"
"""The file that says what answers follow from; written last."""
_FOLDER: Final = "cache_folder"
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
    """Ensemble, identity of the cache and the hashes of the runs."""
    folder: str = ""
    """Where the cache lay: its name for people, on which no answer depends."""

    @property
    def entries(self) -> dict[str, Any]:
        """The content of `BASIS`."""
        labels = stored_labels(self.labels)
        return {**self.follows, "space": self.task.name, "labels": labels, _FOLDER: self.folder}

    def same(self, entries: Mapping[str, Any]) -> bool:
        """Whether answers of these entries are the same answers."""
        now = json.loads(json.dumps(self.entries))
        return {**entries, _FOLDER: ""} == {**now, _FOLDER: ""}


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
    basis = read_basis(folder)
    if basis is None:
        raise ValueError(
            f"{path}: no such file, so {folder} holds no finished predictions; predict with `make infer`"
        )
    try:
        # Predictions that are older than this entry are all of the contest's classes.
        labels = labels_stored(basis.get("labels"), path)
        return labels.task(basis.get("space", "class18")), labels
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise _unreadable(path, error) from error


def read_basis(folder: Path) -> dict[str, Any] | None:
    """The entries of `BASIS` in a folder; None where no finished predictions are.

    Raises:
        ValueError: not readable.
    """
    path = folder / BASIS
    if not path.is_file():
        return None
    try:
        basis = json.loads(path.read_text())
    except ValueError as error:
        raise _unreadable(path, error) from error
    if not isinstance(basis, dict):
        raise _unreadable(path, ValueError("no table"))
    return basis


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path}: not readable as the basis of predictions ({error}); delete {path.parent} and predict again"
    )


def check_replaced(folder: Path, basis: Basis, cache: Cache) -> str:
    """What finished answers in a folder would be replaced by those of a basis, in words; "" for none.

    Args:
        folder: of the predictions.
        basis: of the new answers.
        cache: of the photos that they answer.

    Raises:
        ValueError: the folder holds the answers of another cache, which are not to be lost.
    """
    found = read_basis(folder)
    if found is None or basis.same(found):
        return ""
    there = title_of(found.get(_FOLDER) or "no name noted", str(found.get("cache")))
    cure = f"give another folder, such as PREDICTIONS={folder.parent / cache.folder.resolve().name}"
    check_not_of_another(folder, "the answers", there, cache, cure)
    before, now = dict(found.get("runs", {})), dict(basis.follows["runs"])
    changes = [f"{name} is new" for name in sorted({*now} - {*before})]
    changes += [f"{name} votes no more" for name in sorted({*before} - {*now})]
    changes += [
        f"{name} was trained again" for name in sorted(now) if before.get(name, now[name]) != now[name]
    ]
    changes = changes or ["the ensemble or its labels changed"]
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f"the answers of {len(before)} runs to these photos ({', '.join(changes[:3])}{more})"


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
