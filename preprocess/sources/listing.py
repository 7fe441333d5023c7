"""A source of photos as a table: one row a photo, with its labels, and no photo opened."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.labelling.label_file import FILE_NAME
from faces.labels import LabelSet
from faces.photos.files import BadPhoto, inspect_file, kind_at
from faces.photos.names import called_photo, of_tool, source_name

BOX: Final = "box"
"""Column of the places of faces, where the source gives them."""
CORRECTIONS: Final = "corrections.csv"
"""Name of the table of known wrong labels beside the photos."""
TOOL_FOLDER: Final = "a hidden folder or a tool's"


@dataclass(frozen=True)
class LeftOut:
    """A file or folder that lies among photos and is none."""

    path: str
    """Relative to the root of the photos."""
    kind: str
    """What it is, with its article, to be counted; "" where a note of its own tells of it."""
    reason: str
    """Why it is left out."""
    bytes: int = -1
    photos: int = 0
    """How many a folder holds."""


@dataclass(frozen=True)
class Listing:
    """What there is to preprocess."""

    folder: Path
    """The root of the photos: a photo is opened at `folder / source_path(source)`."""
    layout: str
    """How the photos were given: train, eval, table, classes, folder, or a published set of photos."""
    photos: pd.DataFrame
    """One row a face, in the source's order. position: row number; image_id: what the source calls it;
    source: escaped path relative to `folder` (see `source_path`); person: a key of its own for everyone, or
    "" where nothing is labelled; a column of labels for each factor of `labels`; bytes: file size, -1
    where there is no file; problem: why the photo cannot be used, or "". Where the source tells them, also
    split: the part of the data, train, val, test or fold<k>, or ""; box: left, top, right, bottom of the
    face in pixels of the photo, or None."""
    labels: LabelSet
    """The factors that the photos are labelled with."""
    notes: tuple[str, ...] = ()
    """What was taken for granted about the source, in sentences for people."""
    left_out: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["source", "bytes", "reason"])
    )
    """What lies among the photos and is none: source and bytes as of a photo, and the reason."""
    spelt: pd.Series | None = None
    """[n] people as the source spells them, where that is not known to be as in `photos`."""

    @property
    def fingerprint(self) -> str:
        """Hex sha256 that changes with any photo's name or label and with the order, but not with sizes and
        problems: a damaged photo may be replaced by a sound one. People count as the source spells them, as
        they did before they had a normal form, so that caches of then are still known by theirs."""
        identifying = self.photos.drop(columns=["bytes", "problem"])
        if self.spelt is not None:
            identifying = identifying.assign(person=self.spelt)
        return hashlib.sha256(identifying.to_csv(index=False).encode()).hexdigest()


def photo_row(data: Path, path: str, **fields: Any) -> dict[str, Any]:
    """A row of `Listing.photos`, without its position and labels.

    Args:
        data: root of the photos.
        path: of the photo, relative to `data`.
        fields: columns that are known; the others are read from the file, or "".
    """
    size, problem = inspect_file(data / path)
    name = source_name(path)
    return {"image_id": name, "source": name, "person": "", "bytes": size, "problem": problem, **fields}


def photos_below(data: Path, left_out: list[LeftOut]) -> list[str]:
    """Paths of the photos below a folder, relative to it, sorted by bytes.

    A photo is what is called like one, or a picture by its first bytes. Links to folders are followed, but
    never in a circle; hidden folders and those of tools are not looked into.

    Args:
        data: the folder.
        left_out: gets what is no photo, but for the files that tell of photos.

    Raises:
        ValueError: a folder cannot be listed; its photos would be lost without a word.
    """
    seen: set[tuple[int, int]] = set()
    paths: list[str] = []
    others: list[str] = []
    for place, folders, names in os.walk(data, followlinks=True, onerror=_refuse):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below = Path(place).relative_to(data).as_posix()
        start = "" if below == "." else f"{below}/"
        left_out += [tool_folder(data, start + name) for name in sorted(folders) if of_tool(name)]
        folders[:] = sorted(name for name in folders if not of_tool(name))
        for name in names:
            (paths if called_photo(name) else others).append(start + name)
    for path in sorted({*others} - {FILE_NAME, CORRECTIONS}, key=os.fsencode):
        other = no_photo(data, path)
        if other:
            left_out.append(other)
        else:
            paths.append(path)
    return sorted(paths, key=os.fsencode)


def _refuse(error: OSError) -> None:
    raise ValueError(
        f"{error.filename}: cannot be listed ({error.strerror}); make it readable, or move it elsewhere"
    ) from error


def counted(count: int, what: str) -> str:
    """1 photo, or 2 photos."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def tool_folder(data: Path, path: str) -> LeftOut:
    """A folder that is not looked into, but for how many files in it are called like photos."""
    photos = sum(called_photo(name) for _, _, names in os.walk(data / path) for name in names)
    return LeftOut(path, TOOL_FOLDER, f"{TOOL_FOLDER}, with {counted(photos, 'photo')}", photos=photos)


def no_photo(data: Path, path: str) -> LeftOut | None:
    """Why a file that is not called like a photo is none by its first bytes, or None where it is a picture.

    Pictures of a kind that is not read are photos here, and rejects when they are read.
    """
    name = PurePosixPath(path).name
    size = inspect_file(data / path)[0]
    if of_tool(name):
        what = "a hidden file" if name.startswith(".") else "a system file"
    else:
        try:
            kind = kind_at(data / path)
        except BadPhoto as bad:
            return LeftOut(path, "an unreadable file", bad.reason, size)
        if kind.what != "other":
            return None
        what = kind.name
    return LeftOut(path, what, what, size)
