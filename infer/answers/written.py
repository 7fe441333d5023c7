"""What a folder of predictions holds: its table, the task and factors of it, and the hashes of its files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from faces.command import from_table
from faces.labelling.kept import labels_stored, stored_labels
from faces.labels import LabelSet, Task
from faces.storage.documents import DamagedError, read_document
from faces.storage.tables import read_table
from infer.predict.others import check_not_of_another, title_of

BASIS: Final = "basis.json"
"""The file that says what answers follow from, and what the files beside it are; written last."""
TABLE: Final = "probabilities.parquet"
"""The file of the answers with their probabilities."""
CACHE_NOTE: Final = "cache"
"""Its note on the identity of the cache that is answered."""
AGAIN: Final = "`make infer` answers anew"
"""What to do about damaged predictions."""
_OLDEST_SPACE: Final = "class18"
"""What predictions answer that are from before they said so."""
_TOLERANCE: Final = 1e-3
"""By how much the probabilities of a photo may differ from a sum of 1."""


@dataclass(frozen=True, kw_only=True)
class Entries:
    """The content of `BASIS`; what older predictions do not say is empty."""

    ensemble: Mapping[str, Any] = field(default_factory=dict)
    cache: str = ""
    """Identity of the cache whose photos are answered."""
    runs: Mapping[str, str] = field(default_factory=dict)
    """sha256 of the weights, by run."""
    space: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)
    """`stored_labels`; none of the contest's."""
    cache_folder: str = ""
    """Where the cache lay: its name for people, on which no answer depends."""
    files: Mapping[str, str] = field(default_factory=dict)
    """sha256 of each file that is read again, by its name."""

    def __post_init__(self) -> None:
        for kind, hashes in (("runs", self.runs), ("files", self.files)):
            for name, value in hashes.items():
                if not re.fullmatch("[0-9a-f]{64}", value):
                    raise ValueError(f"{kind}.{name}: {value!r} is no sha256")
                if kind == "files" and Path(name).name != name:
                    raise ValueError(f"{kind}: {name!r} is no file of this folder")


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
    """Where the cache lay."""

    @property
    def entries(self) -> dict[str, Any]:
        """The content of `BASIS` but for its `files`."""
        labels = stored_labels(self.labels)
        return {**self.follows, "space": self.task.name, "labels": labels, "cache_folder": self.folder}

    def same(self, found: Entries) -> bool:
        """Whether answers of these entries are the same answers."""
        now = _entries(json.loads(json.dumps(self.entries)), BASIS, AGAIN)
        return replace(found, cache_folder="", files={}) == replace(now, cache_folder="")


@dataclass(frozen=True, kw_only=True)
class Written:
    """The predictions of a folder."""

    table: pd.DataFrame
    """Columns ImageID, ans (class of the task), answered_by, agreement, and `task.columns`."""
    task: Task
    """What was voted on."""
    labels: LabelSet
    """The factors that the task is of."""
    entries: Entries


def read_basis(folder: Path, cure: str = AGAIN) -> Entries | None:
    """The entries of `BASIS` in a folder; None where no finished predictions are.

    Raises:
        DamagedError: not as it was written, or entries that are none.
    """
    path = folder / BASIS
    return _entries(read_document(path, cure), path, cure) if path.is_file() else None


def _entries(table: dict[str, Any], source: Path | str, cure: str) -> Entries:
    if table.get("labels", {}) is None:
        del table["labels"]
    try:
        return from_table(Entries, table, source)
    except ValueError as error:
        raise DamagedError(f"{error}; {cure}") from error


def check_file(folder: Path, name: str, entries: Entries, cure: str = AGAIN) -> None:
    """Compare a file of predictions with its hash in `BASIS`; predictions of before have none.

    Raises:
        DamagedError: missing, or not as it was written.
    """
    path = folder / name
    if name in entries.files and not path.is_file():
        raise DamagedError(f"{path}: no such file, which {BASIS} beside it names; {cure}")
    if name in entries.files and file_sha256(path) != entries.files[name]:
        raise DamagedError(
            f"{path}: not as `make infer` wrote it, edited or damaged: {BASIS} beside it has another sha256; "
            f"{cure}"
        )


def changed_files(folder: Path, entries: Entries, cure: str = AGAIN) -> dict[str, str]:
    """What `check_file` says of the files of predictions, by the names of those that it refuses."""
    said = {}
    for name in entries.files:
        try:
            check_file(folder, name, entries, cure)
        except DamagedError as error:
            said[name] = str(error)
    return said


def check_replaced(folder: Path, basis: Basis, cache: Cache) -> str:
    """What finished answers in a folder would be replaced by those of a basis, in words; "" for none.

    Args:
        folder: of the predictions.
        basis: of the new answers.
        cache: of the photos that they answer.

    Raises:
        ValueError: the folder holds the answers of another cache, or maybe does, which are not to be lost.
    """
    cure = f"give another folder, such as PREDICTIONS={folder.parent / cache.folder.resolve().name}"
    noted = _noted_cache(folder)
    ours = noted == cache.identity
    try:
        found = read_basis(folder, "answering anew" if ours else f"{cure}, or move {folder} elsewhere")
    except DamagedError as error:
        if ours:
            return f"damaged answers to these photos ({error})"
        raise
    if found is None and noted:  # an `infer` that was killed leaves such, and so does who deletes `BASIS`
        check_not_of_another(folder, "the answers", title_of("no name noted", noted), cache, cure)
        return f"unfinished answers to these photos ({folder / BASIS}: no such file)"
    if found is None or basis.same(found):
        return ""
    there = title_of(found.cache_folder or "no name noted", found.cache)
    check_not_of_another(folder, "the answers", there, cache, cure)
    before, now = found.runs, dict(basis.follows["runs"])
    changes = [f"{name} is new" for name in sorted({*now} - {*before})]
    changes += [f"{name} votes no more" for name in sorted({*before} - {*now})]
    changes += [
        f"{name} was trained again" for name in sorted(now) if before.get(name, now[name]) != now[name]
    ]
    changes = changes or ["the ensemble or its labels changed"]
    more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
    edited = [*changed_files(folder, found)]
    return f"the answers of {len(before)} runs to these photos ({', '.join(changes[:3])}{more})" + (
        f", of which {', '.join(edited)} was edited or damaged since" if edited else ""
    )


def _noted_cache(folder: Path) -> str:
    """Identity of the cache that a folder's table of answers is of; "" where it does not say."""
    try:
        return read_table(folder / TABLE, AGAIN, []).notes.get(CACHE_NOTE, "")
    except DamagedError:
        return ""


def read_written(folder: Path, cure: str = AGAIN) -> Written:
    """The predictions of a folder.

    Raises:
        DamagedError: no or unfinished predictions, or damaged ones.
    """
    path = folder / TABLE
    entries = read_basis(folder, cure)
    if entries is None and path.is_file():
        raise DamagedError(
            f"{folder / BASIS}: no such file, so {folder} holds no finished predictions; {cure}"
        )
    if entries is None:
        raise DamagedError(f"{path}: no such file; predict first with `make infer`")
    check_file(folder, TABLE, entries, cure)
    try:
        labels = labels_stored(entries.labels or None, folder / BASIS)
        task = labels.task(entries.space or _OLDEST_SPACE)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise DamagedError(f"{folder / BASIS}: answers no task ({error}); {cure}") from error
    columns = ["ImageID", "ans", "answered_by", "agreement", *task.columns]
    table = read_table(path, cure, columns).rows
    if what := _wrong(table, task):
        raise DamagedError(f"{path}: {what}; {cure}")
    return Written(table=table, task=task, labels=labels, entries=entries)


def _wrong(table: pd.DataFrame, task: Task) -> str:
    """What of a table are no answers in a task, with the first such photo, or ""."""
    numbers = table[["ans", *task.columns]].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    answers, shares = numbers[:, 0], numbers[:, 1:]
    checks = {
        "is answered more than once": table.ImageID.duplicated().to_numpy(),
        f"has no class from 0 to {len(task.classes) - 1}": ~np.isin(answers, np.arange(len(task.classes))),
        "has probabilities beyond 0 to 1": ~((shares >= 0) & (shares <= 1 + _TOLERANCE)).all(1),
        "has probabilities that do not sum to 1": ~(np.abs(shares.sum(1) - 1) <= _TOLERANCE),
    }
    found = ((table.ImageID[wrong].iloc[0], what) for what, wrong in checks.items() if wrong.any())
    return next((f"{photo!r} {what}" for photo, what in found), "")
