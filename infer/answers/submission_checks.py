"""What a submission must be: in itself, and beside the info.csv that requests it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.command import typed
from faces.foreign.paths import requested_photos
from faces.foreign.table import read_table
from faces.labels import CLASS_COUNT
from infer.answers.written import AGAIN, check_file, read_basis

SUBMISSION = "submission.csv"
"""Name of the file."""
SUBMISSION_COLUMNS = ["ImageID", "ans"]
"""Its columns."""


def submission_file(path: Path) -> Path:
    """The submission.csv meant by a predictions folder, or by itself.

    Raises:
        ValueError: there is none.
    """
    file = path / SUBMISSION if path.is_dir() else path
    if not file.is_file():
        what = "no submission.csv in it" if path.is_dir() else "no such predictions folder or submission.csv"
        raise ValueError(
            f"{path}: {what}; `make infer ENSEMBLE=... CACHE=...` writes one where it answers the contest's "
            "18 classes"
        )
    return file


def read_submission(path: Path) -> pd.DataFrame:
    """The photos and classes of a submission.

    Args:
        path: a predictions folder, or a submission.csv.

    Returns:
        ImageID (text) and ans (int64), in the file's order.

    Raises:
        ValueError: no such file, not as `make infer` wrote it, no submission, or refused by `check_answers`.
    """
    file = submission_file(path)
    if file.name == SUBMISSION and (entries := read_basis(file.parent)):
        cure = f"{AGAIN}, or give a copy from another folder where the edited one is meant"
        check_file(file.parent, SUBMISSION, entries, cure)
    table = read_table(file, SUBMISSION_COLUMNS)
    check_answers(table, str(file), CLASS_COUNT)
    return table[SUBMISSION_COLUMNS].astype({"ans": np.int64})


def check_answers(table: pd.DataFrame, what: str, classes: int) -> None:
    """Refuse answers that are wrong whatever photos were requested.

    Args:
        table: columns ImageID and ans, the latter integers or text.
        what: the file or thing to name in the message.
        classes: how many there are.

    Raises:
        ValueError: a photo twice, or an answer that is no class: an integer from 0.
    """
    twice = table.ImageID[table.ImageID.duplicated()].unique().tolist()
    if twice:
        raise ValueError(f"{what}: answers {some(twice)} more than once; each photo has one answer")
    wrong = table[~table.ans.astype(str).isin([str(code) for code in range(classes)])]
    if len(wrong):
        raise ValueError(
            f"{what}: ans must be a whole number from 0 to {classes - 1}, but "
            f"{some(wrong.ImageID.tolist())} has {', '.join(repr(str(ans)) for ans in wrong.ans.head(3))}"
        )


def check_submission(submission: Path | pd.DataFrame, info: Path) -> None:
    """Refuse a submission that does not answer the photos of an info.csv, all of them, once, in its order.

    Args:
        submission: a predictions folder, a submission.csv, or a table with its columns.
        info: the info.csv with the requested photos; only its column ImageID is read.

    Raises:
        ValueError: naming the files, up to three photos and the cure.
    """
    if isinstance(submission, Path):
        what = str(submission_file(submission))
        table = read_submission(submission)
    else:
        what, table = "the answers", submission
        check_answers(table, what, CLASS_COUNT)
    cure = f"make a cache of {info.parent} with `make preprocess`, and predict that with `make infer`"
    _check_same_photos(table.ImageID.tolist(), requested_photos(info).tolist(), what, str(info), cure)


def check_photos(cache: Cache, info: Path) -> None:
    """Refuse, before anything is predicted, a cache that is not of the photos of an info.csv in its order.

    Args:
        cache: the photos to predict; its rejected photos count, since they are answered too.
        info: the info.csv with the requested photos.

    Raises:
        ValueError: naming the files, up to three photos and the cure.
    """
    parts = (cache.columns("image_id", "position"), cache.rejects[["image_id", "position"]])
    held = (
        pd.concat([part for part in parts if len(part)])
        .sort_values("position", kind="stable")
        .image_id.tolist()
    )
    cure = f"make one of them: `make preprocess DATA={typed(info.parent)} CACHE=...`, in another folder"
    _check_same_photos(held, requested_photos(info).tolist(), str(cache.folder), str(info), cure)


def _check_same_photos(
    held: Sequence[str], requested: Sequence[str], what: str, info: str, cure: str
) -> None:
    for less, more, sentence in (
        (held, requested, f"{info} names {{}} that {what} lacks"),
        (requested, held, f"{what} has {{}} that {info} does not name"),
    ):
        known = set(less)
        stray = [photo for photo in more if photo not in known]
        if stray:
            counted = f"{len(stray):,} of {len(more):,} photos ({some(stray)})"
            raise ValueError(f"{sentence.format(counted)}; {cure}")
    for row, (here, there) in enumerate(zip(held, requested, strict=True), start=2):
        if here != there:
            raise ValueError(
                f"{what}: the photos of {info}, but in another order: row {row} is {there!r} there and "
                f"{here!r} here; {cure}"
            )


def some(photos: Sequence[str]) -> str:
    """The first three of some photos, for a message."""
    return f"{', '.join(map(str, photos[:3]))}{', ...' if len(photos) > 3 else ''}"
