"""A source of photos as a table: one row a photo, with its labels, and no photo opened."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.labels import LabelSet

PHOTO_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".heic", ".heif")
)
"""Names of photos in a folder without a table; HEIC is not read, but listed, so that its loss is reported."""
BOX: Final = "box"
"""Column of the places of faces, where the source gives them."""


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

    @property
    def fingerprint(self) -> str:
        """Hex sha256 that changes with any photo's name or label and with the order, but not with sizes and
        problems: a damaged photo may be replaced by a sound one."""
        identifying = self.photos.drop(columns=["bytes", "problem"])
        return hashlib.sha256(identifying.to_csv(index=False).encode()).hexdigest()


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


def inspect_file(path: Path) -> tuple[int, str]:
    """Size of a file in bytes (-1 where it has none), and why it must not be opened, or "".

    Only regular files are ever opened: reading a named pipe would wait for ever.
    """
    try:
        status = path.stat()
    except OSError as error:
        # In a closed folder not even the link can be inspected.
        if error.errno in (errno.ENOENT, errno.ELOOP) and path.is_symlink():
            return -1, f"broken link: {error.strerror}"
        if error.errno == errno.ENOENT:
            return -1, "missing: no such file"
        return -1, f"unreadable: {error.strerror}"
    if not stat.S_ISREG(status.st_mode):
        return -1, f"not a regular file but {_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}"
    return status.st_size, ""


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


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


def photos_below(data: Path) -> Iterator[str]:
    """Paths of the photos below a folder, relative to it, sorted by bytes.

    Links to folders are followed, but never in a circle.

    Raises:
        ValueError: a folder cannot be listed; its photos would be lost without a word.
    """
    seen: set[tuple[int, int]] = set()
    paths = []
    for place, folders, names in os.walk(data, followlinks=True, onerror=_refuse):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        below = Path(place).relative_to(data)
        paths += [(below / name).as_posix() for name in names if _is_photo(name)]
    yield from sorted(paths, key=os.fsencode)


def _refuse(error: OSError) -> None:
    raise ValueError(
        f"{error.filename}: cannot be listed ({error.strerror}); make it readable, or move it elsewhere"
    ) from error


def _is_photo(name: str) -> bool:
    """Whether the name alone is a photo's; macOS writes a `._` file beside each file it copies."""
    return not name.startswith("._") and PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES


def is_inside(path: str) -> bool:
    """Whether a path given in a table stays below the folder it is relative to."""
    plain = PurePosixPath(path)
    return bool(plain.parts) and not plain.is_absolute() and ".." not in plain.parts and "\0" not in path
