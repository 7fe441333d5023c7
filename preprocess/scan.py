"""Lists the photos of a folder with their labels, in one of three layouts, without opening a photo.

train    DIR/train.csv (id,gender,race,age,path) and DIR/images/<path>/{mask1..mask5,incorrect_mask,normal}.*
eval     DIR/info.csv (ImageID,ans) and DIR/images/<ImageID>
folder   photos in DIR and its sub-folders, without labels
"""

from __future__ import annotations

import errno
import hashlib
import math
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pandas as pd

from faces.labels import GENDERS, UNKNOWN

Layout = Literal["train", "eval", "folder"]
PERSON_PHOTOS = {f"mask{i}": 0 for i in range(1, 6)} | {"incorrect_mask": 1, "normal": 2}
"""File stem and mask code of each of a person's seven photos."""
PERSON_SUFFIXES = (".jpg", ".jpeg", ".png")
PHOTO_SUFFIXES = frozenset((*PERSON_SUFFIXES, ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jfif"))
COLUMNS = ("position", "image_id", "source", "person", "mask", "gender", "age", "bytes", "problem")
OLDEST = 120.0


@dataclass(frozen=True)
class Listing:
    """What there is to preprocess."""

    folder: Path
    layout: Layout
    photos: pd.DataFrame
    """One row a photo, in the source's order. position: row number; image_id; source: escaped path relative
    to `folder` (see `source_path`); person: folder name, or ""; mask, gender: codes or UNKNOWN; age: years or
    NaN; bytes: file size, -1 where there is no file; problem: why the photo cannot be used, or ""."""

    @property
    def fingerprint(self) -> str:
        """Hex sha256 that changes with any photo's name or size, any label, and the order."""
        return hashlib.sha256(self.photos.to_csv(index=False).encode()).hexdigest()


def source_name(path: str) -> str:
    """A file name as UTF-8 text, one to one: bytes that are not UTF-8 become \\xNN, a backslash doubles."""
    return os.fsencode(path).replace(b"\\", b"\\\\").decode(errors="backslashreplace")


def source_path(source: str) -> str:
    """The file name that `source_name` wrote as `source`."""
    plain = re.sub(
        rb"\\(\\|x[0-9a-f]{2})",
        lambda found: b"\\" if found[1] == b"\\" else bytes([int(found[1][1:], 16)]),
        source.encode(),
    )
    return os.fsdecode(plain)


def scan(data: Path) -> Listing:
    """List the photos below a folder.

    Args:
        data: a folder in one of the three layouts, which is told from the table it holds.

    Raises:
        ValueError: no such folder, no photo in it, a contest folder one level too high, or a table that
            cannot be trusted (column missing, photo or person twice, a label that is none).
    """
    if not data.is_dir():
        raise ValueError(f"data={data}: no such folder")
    tables = [name for name in ("train.csv", "info.csv") if (data / name).is_file()]
    if len(tables) == 2:
        raise ValueError(f"{data}: holds train.csv and info.csv; which one is meant? Move one elsewhere")
    layout: Layout = "folder"
    if tables:
        layout = "train" if tables == ["train.csv"] else "eval"
        if not (data / "images").is_dir():
            raise ValueError(f"{data}: holds {tables[0]} but no folder `images` beside it")
    else:
        below = [name for name, table in _CONTEST.items() if (data / name / table).is_file()]
        if below:
            cures = " or ".join(f"--data {data / name}" for name in below)
            raise ValueError(f"data={data}: labelled and unseen photos are separate caches; give {cures}")
    photos = pd.DataFrame(list(_ROWS[layout](data)))
    if photos.empty:
        raise ValueError(f"data={data}: no photos in it ({', '.join(sorted(PHOTO_SUFFIXES))})")
    if (photos.problem != "").all():
        raise ValueError(
            f"data={data}: none of {len(photos)} photos can be read; the first: {photos.problem.iloc[0]}"
        )
    photos.insert(0, "position", range(len(photos)))
    return Listing(data, layout, photos[list(COLUMNS)])


def _inspect(path: Path) -> tuple[int, str]:
    """Size of a file in bytes, and why it cannot be read: only regular files are ever opened."""
    try:
        status = path.stat()
    except OSError as error:
        if path.is_symlink():
            return -1, f"broken link: {error.strerror}"
        if error.errno == errno.ENOENT:
            return -1, "missing: no such file"
        return -1, f"unreadable: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return -1, "not a regular file"
    return status.st_size, ""


def _row(data: Path, source: str, **labels: Any) -> dict[str, Any]:
    size, problem = _inspect(data / source)
    name = source_name(source)
    unknown = {"person": "", "mask": UNKNOWN, "gender": UNKNOWN, "age": math.nan}
    return {"image_id": name, "source": name, **unknown, "bytes": size, "problem": problem, **labels}


def _read_table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """A CSV as text, with the columns needed."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: not readable as a UTF-8 CSV table: {error}") from error
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ValueError(f"{path}: no column {', '.join(missing)}; there are {', '.join(table.columns)}")
    key = needed[0]
    if table.empty:
        raise ValueError(f"{path}: no rows")
    twice = table[table.duplicated(key)]
    if len(twice):
        raise ValueError(f"{path}: {key} {twice[key].iloc[0]!r} occurs twice (again in row {_line(twice)})")
    outside = table[[not name or not _is_inside(name) for name in table[key]]]
    if len(outside):
        raise ValueError(
            f"{path}, row {_line(outside)}: {key} {outside[key].iloc[0]!r} names nothing inside `images`"
        )
    return table


def _line(rows: pd.DataFrame) -> int:
    """Line of the first of `rows` in its CSV file, whose header is line 1."""
    return int(rows.index[0]) + 2


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _train_rows(data: Path) -> Iterator[dict[str, Any]]:
    table = _read_table(data / "train.csv", ("path", "gender", "age"))
    for index, person in enumerate(table.itertuples()):
        place = f"{data / 'train.csv'}, row {index + 2}"
        labels = {
            "person": person.path,
            "gender": _gender(str(person.gender), place),
            "age": _age(str(person.age), place),
        }
        yield from _person_rows(data, f"images/{person.path}", labels)


def _gender(text: str, place: str) -> int:
    if text.strip() not in GENDERS:
        raise ValueError(f"{place}: gender {text!r} is none of {', '.join(GENDERS)}")
    return GENDERS.index(text.strip())


def _age(text: str, place: str) -> float:
    try:
        age = float(text)
    except ValueError:
        age = math.nan
    if not 0 <= age <= OLDEST:
        raise ValueError(f"{place}: age {text!r} is no number of years from 0 to {OLDEST:.0f}")
    return age


def _person_rows(data: Path, folder: str, labels: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The seven photos of one person; one that is not there is a row with a problem."""
    place = data / folder
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    for stem, mask in PERSON_PHOTOS.items():
        found = [f"{stem}{suffix}" for suffix in PERSON_SUFFIXES if f"{stem}{suffix}" in names]
        found += [n for n in names if _splits_to(n, stem) and n not in found]
        if not found:
            what = f"{stem}.jpg, .jpeg or .png in {folder}" if names else f"folder {folder}, or it is empty"
            row = _row(data, f"{folder}/{stem}.jpg", **labels, mask=mask)
            yield {**row, "problem": f"missing: no {what}"}
        for extra, name in enumerate(found):
            row = _row(data, f"{folder}/{name}", **labels, mask=mask)
            yield {**row, "problem": f"a second {stem}, beside {found[0]}"} if extra else row


def _splits_to(name: str, stem: str) -> bool:
    path = PurePosixPath(name)
    return path.stem == stem and path.suffix.lower() in PERSON_SUFFIXES


def _eval_rows(data: Path) -> Iterator[dict[str, Any]]:
    table = _read_table(data / "info.csv", ("ImageID",))
    for image_id in table.ImageID:
        yield _row(data, f"images/{image_id}", image_id=image_id)


def _folder_rows(data: Path) -> Iterator[dict[str, Any]]:
    """Every photo below a folder, sorted by name; links to folders are followed, but never in a circle."""
    seen: set[tuple[int, int]] = set()
    sources = []
    for place, folders, names in os.walk(data, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        below = Path(place).relative_to(data)
        sources += [(below / name).as_posix() for name in names if _is_photo(name)]
    for source in sorted(sources, key=os.fsencode):
        yield _row(data, source)


def _is_photo(name: str) -> bool:
    """By its name alone; macOS writes a `._` file beside each file it copies."""
    return not name.startswith("._") and PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


_CONTEST = {"train": "train.csv", "eval": "info.csv"}
_ROWS = {"train": _train_rows, "eval": _eval_rows, "folder": _folder_rows}
