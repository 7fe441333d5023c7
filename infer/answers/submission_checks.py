"""What a submission must be: in itself, and beside the info.csv that requests it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.command import typed
from faces.foreign.paths import requested_photos
from faces.foreign.photos import some
from faces.foreign.table import read_table
from faces.labels import CLASS_COUNT
from infer.answers.written import AGAIN, BASIS, TABLE, Entries, changed_files, check_file, read_basis
from infer.predict.others import title_of

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


def read_submission(path: Path, notes: list[str] | None = None) -> pd.DataFrame:
    """The photos and classes of a submission.

    Args:
        path: a predictions folder, or a submission.csv.
        notes: gets sentences on what was found out about its text.

    Returns:
        ImageID (text) and ans (int64), in the file's order.

    Raises:
        ValueError: no such file, not as `make infer` wrote it, no submission, or refused by `check_answers`.
    """
    file = submission_file(path)
    if file.name == SUBMISSION and (entries := read_basis(file.parent)):
        cure = f"{AGAIN}, or give a copy from another folder where the edited one is meant"
        check_file(file.parent, SUBMISSION, entries, cure)
    table = read_table(file, SUBMISSION_COLUMNS, notes)
    check_answers(table, str(file), CLASS_COUNT, numbered=True)
    return table[SUBMISSION_COLUMNS].astype({"ans": np.int64})


def changed_notes(folder: Path, cure: str = AGAIN) -> list[str]:
    """Sentences on the files of a folder of predictions that are not as `make infer` wrote them."""
    entries = read_basis(folder, cure)
    if entries is not None:
        beside = f"{TABLE} beside it is what was predicted; {cure}"
        changed = changed_files(folder, entries, cure)
        return [said.replace(cure, beside) if name == SUBMISSION else said for name, said in changed.items()]
    if not (folder / TABLE).is_file():
        return []
    return [
        f"{folder / BASIS}: no such file, so whether those beside it are what was predicted is not known; "
        f"{cure}"
    ]


def check_plain(file: Path) -> None:
    """Refuse a submission that `read_submission` reads but a contest's grader may not: plain CSV in UTF-8 has
    no mark, commas between cells, `SUBMISSION_COLUMNS` and nothing else.

    Raises:
        ValueError: with the first row that is something else.
    """
    cure = (
        "a grader may read something else in it; save it as CSV with commas in UTF-8 without a mark, columns "
        f"{','.join(SUBMISSION_COLUMNS)}, or submit the one that `make infer` writes"
    )
    data = file.read_bytes()
    if data.startswith(codecs.BOM_UTF8):
        raise ValueError(f"{file}: begins with a byte order mark, as Excel's 'CSV UTF-8' does; {cure}")
    try:
        rows = [*csv.reader(io.StringIO(data.decode(), newline=""), strict=True)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file}: not plain CSV in UTF-8 ({error}); {cure}") from error
    for number, row in enumerate(rows, start=1):
        wrong = row != SUBMISSION_COLUMNS if number == 1 else len(row) != 2 or not all(map(str.strip, row))
        if wrong and (row or number == 1):
            raise ValueError(f"{file}, row {number}: {','.join(row)!r} is not that of a submission; {cure}")


def check_answers(table: pd.DataFrame, what: str, classes: int, *, numbered: bool = False) -> None:
    """Refuse answers that are wrong whatever photos were requested.

    Args:
        table: columns ImageID and ans, the latter integers or text.
        what: the file or thing to name in the message.
        classes: how many there are.
        numbered: whether the table's index are rows of a file, to be named.

    Raises:
        ValueError: a photo twice, or an answer that is no class: an integer from 0.
    """

    def rows(part: pd.DataFrame) -> str:
        return f", in row{'s' * (len(part) > 1)} {some(part.index.tolist())}" if numbered else ""

    twice = table[table.ImageID.duplicated(keep=False)]
    if len(twice):
        photos = twice.ImageID.unique().tolist()
        raise ValueError(
            f"{what}: answers {some(photos)} more than once{rows(twice)}; each photo has one answer"
        )
    wrong = table[~table.ans.astype(str).isin([str(code) for code in range(classes)])]
    if len(wrong):
        raise ValueError(
            f"{what}: ans must be a whole number from 0 to {classes - 1}, but {some(wrong.ImageID.tolist())} "
            f"has {', '.join(repr(str(ans)) for ans in wrong.ans.head(3))}{rows(wrong)}"
        )


def check_submission(submission: Path | pd.DataFrame, info: Path, notes: list[str] | None = None) -> None:
    """Refuse a submission that does not answer the photos of an info.csv, all of them, once, in its order.

    Args:
        submission: a predictions folder, a submission.csv, which must be plain, or a table with its columns.
        info: the info.csv with the requested photos; only its column ImageID is read.
        notes: gets sentences on what was found out about the text of `info`.

    Raises:
        ValueError: naming the files, up to three photos and the cure.
    """
    if isinstance(submission, Path):
        what = str(submission_file(submission))
        table = read_submission(submission)
        check_plain(submission_file(submission))
    else:
        what, table = "the answers", submission
        check_answers(table, what, CLASS_COUNT)
    cure = f"make a cache of {info.parent} with `make preprocess`, and predict that with `make infer`"
    _check_same_photos(table.ImageID.tolist(), requested_photos(info, notes), what, str(info), cure)


def check_photos(cache: Cache, info: Path, notes: list[str] | None = None) -> None:
    """Refuse, before anything is predicted, a cache that is not of the photos of an info.csv in its order.

    Args:
        cache: the photos to predict; its rejected photos count, since they are answered too.
        info: the info.csv with the requested photos.
        notes: gets sentences on what was found out about its text.

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
    _check_same_photos(held, requested_photos(info, notes), str(cache.folder), str(info), cure)


def check_predicted(folder: Path, table: pd.DataFrame, entries: Entries, cache: Cache) -> None:
    """Refuse a cache that is not the one whose photos a folder of predictions answers.

    Raises:
        ValueError: it is of other samples, or, where predictions of before do not say which, lacks a photo.
    """
    held = {*cache.columns("image_id").image_id, *cache.rejects.image_id}
    lacking = next((photo for photo in table.ImageID if photo not in held), None)
    if entries.cache and entries.cache != cache.identity:
        there = title_of(entries.cache_folder or "no name noted", entries.cache)
        raise ValueError(
            f"{title_of(cache.folder, cache.identity)}: not the cache whose photos {folder} answers "
            f"({there}); give that one"
        )
    if lacking is not None:
        raise ValueError(
            f"{cache.folder}: lacks photo {lacking!r}, which {folder} answers; give the cache that was "
            "predicted"
        )


def _check_same_photos(held: Sequence[str], asked: pd.Series[str], what: str, info: str, cure: str) -> None:
    requested = asked.tolist()
    for less, more, sentence in (
        (held, requested, f"{info} names {{}} that {what} lacks"),
        (requested, held, f"{what} has {{}} that {info} does not name"),
    ):
        known = set(less)
        stray = [photo for photo in more if photo not in known]
        if stray:
            counted = f"{len(stray):,} of {len(more):,} photos ({some(stray)})"
            raise ValueError(f"{sentence.format(counted)}; {cure}")
    for row, here, there in zip(asked.index, held, requested, strict=True):
        if here != there:
            raise ValueError(
                f"{what}: the photos of {info}, but in another order: row {row} is {there!r} there and "
                f"{here!r} here; {cure}"
            )
