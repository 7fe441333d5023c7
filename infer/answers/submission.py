"""Answers as tables and files: one for every photo of a source, or every face, in the source's order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED
from faces.files import write_atomically
from faces.labels import TASKS, FloatArray, LabelSet, Task
from faces.projection import covers, project
from faces.storage.cells import csv_bytes
from faces.storage.documents import DamagedError, write_document
from faces.storage.tables import table_bytes
from infer.answers.submission_checks import SUBMISSION, SUBMISSION_COLUMNS, changed_notes, check_answers
from infer.answers.written import (
    BASIS,
    CACHE_NOTE,
    TABLE,
    Basis,
    read_basis,
    read_written,
)

if TYPE_CHECKING:
    from infer.ensemble.vote import Verdict
    from infer.predict.heads import Panels

FACE, FALLBACK, PRIOR = "face crop", "fallback crop", "training prior"
"""What an answer rests on: the values of column `answered_by`."""
WORDS = "answers.csv"
"""The file of the answers in words."""
NETWORKS = "networks.parquet"
"""The file of what each network alone answered."""


def is_submitted(task: Task) -> bool:
    """Whether a task has the contest's 18 classes, which alone a submission.csv can say."""
    return task.parts == TASKS["class18"].parts


def answer_table(cache: Cache, verdict: Verdict, prior: FloatArray, task: Task) -> pd.DataFrame:
    """All photos of the cache's source, rejected ones too, in the source's order; where every face is a crop,
    the faces of a photo one after the other.

    Args:
        cache: the predicted photos.
        verdict: the ensemble's answers to every row of the cache.
        prior: [classes] shares of the training photos: the answer where no crop could be had.
        task: what was voted on.

    Returns:
        Columns ImageID, ans (class of the task), answered_by, agreement, and one probability a class.

    Raises:
        ValueError: the cache does not hold every photo of its source.
    """
    predicted = pd.DataFrame(verdict.probabilities, columns=task.columns)
    status = cache.index["status"].to_numpy()
    predicted = predicted.assign(
        ImageID=cache.index["image_id"].to_numpy(),
        position=cache.index["position"].to_numpy(),
        ans=verdict.classes,
        answered_by=np.where(status == DETECTED, FACE, FALLBACK),
        agreement=verdict.agreement,
    )
    guessed = pd.DataFrame(np.tile(prior, (len(cache.rejects), 1)), columns=task.columns)
    guessed = guessed.assign(
        ImageID=cache.rejects["image_id"].to_numpy(),
        position=cache.rejects["position"].to_numpy(),
        ans=int(np.argmax(prior)),
        answered_by=PRIOR,
        agreement=np.nan,
    )
    parts = [part for part in (predicted, guessed) if len(part)]
    table = pd.concat(parts, ignore_index=True)
    # Faces of one photo stay in their order.
    table = table.sort_values("position", kind="stable", ignore_index=True)
    photos = cache.description["source"].get("photos", 0)
    if table.position.unique().tolist() != list(range(photos)):
        raise ValueError(
            f"{cache.folder}: index.parquet and rejects.csv hold {table.position.nunique()} photos, which "
            f"are not the {photos} of its source; delete {cache.folder} and preprocess again"
        )
    return table[[*SUBMISSION_COLUMNS, "answered_by", "agreement", *task.columns]]


def networks_table(cache: Cache, panels: Panels, space: str, labels: LabelSet) -> pd.DataFrame:
    """The answers of each network alone, where its heads tell the task.

    Args:
        cache: the predicted photos.
        panels: the networks' heads for every row of the cache.
        space: the task voted on.
        labels: that the heads' tasks are of.

    Returns:
        Columns ImageID and `<recipe> <number among its folds>`, classes of the task; a row for each row of
        the cache.
    """
    answers = {
        f"{recipe} {number}": project(heads, space, labels).argmax(1)
        for recipe, folds in panels.items()
        for number, heads in enumerate(folds)
        if covers(heads, space, labels)
    }
    return pd.DataFrame({"ImageID": cache.index["image_id"].to_numpy(), **answers})


def write_answers(
    table: pd.DataFrame, words: pd.DataFrame, networks: pd.DataFrame, basis: Basis, folder: Path
) -> None:
    """Write answers.csv, probabilities.parquet, networks.parquet, of the contest's 18 classes submission.csv
    (ImageID, ans), and, last, basis.json. A submission.csv of other predictions does not stay.

    Args:
        table: from `answer_table`.
        words: from `words_table`.
        networks: from `networks_table`.
        basis: what the answers follow from.
        folder: made if need be.

    Raises:
        ValueError: a photo is answered twice, or with what is no class; nothing is written then.
    """
    check_answers(table, f"answers for {folder}", len(basis.task.classes))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BASIS).unlink(missing_ok=True)
    if not is_submitted(basis.task):
        (folder / SUBMISSION).unlink(missing_ok=True)
    files = {
        TABLE: table_bytes(table, {CACHE_NOTE: str(basis.follows.get("cache", ""))}),
        NETWORKS: table_bytes(networks),
        WORDS: csv_bytes(words),
    }
    if is_submitted(basis.task):
        files[SUBMISSION] = csv_bytes(table[SUBMISSION_COLUMNS])
    for name, data in files.items():
        write_atomically(folder / name, data)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    write_document(folder / BASIS, {**basis.entries, "files": hashes})


def read_kept_answers(
    folder: Path, basis: Basis, say: Callable[[str], object] = lambda _: None
) -> pd.DataFrame | None:
    """The `answer_table` in a folder if it follows from just this basis and is whole, or None.

    Args:
        folder: of predictions.
        basis: of the answers wanted.
        say: called with a line on each file that is edited, damaged or missing.
    """
    anew = "answering anew"
    try:
        found = read_basis(folder, anew)
        if found is not None and not basis.same(found):
            return None
        changed = changed_notes(folder, anew)
        for line in changed:
            say(line)
        whole = found is not None and not changed and (folder / WORDS).is_file()
        return read_written(folder, anew).table if whole else None
    except DamagedError as error:
        say(str(error))
        return None
