"""A source of photos as a table: one row a photo, with its labels, and no photo opened."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.labelling.label_file import FILE_NAME
from faces.labels import LabelSet
from preprocess.sources.kinds import HEAD, PHOTO_SUFFIXES, kind_of

BOX: Final = "box"
"""Column of the places of faces, where the source gives them."""
CORRECTIONS: Final = "corrections.csv"
"""Name of the table of known wrong labels beside the photos."""
TOOLS: Final = frozenset(
    (
        *(
            "@eadir",
            "#recycle",
            "@recycle",
            "$recycle.bin",
            "recycler",
            "lost+found",
            "__macosx",
            "__pycache__",
        ),
        *("system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini"),
    )
)
"""Names, in small letters, of what systems and tools put beside photos, with copies of them or none; a name
that begins with a dot is another."""
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


def of_tool(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's or tool's own."""
    return name.startswith(".") or name.lower() in TOOLS


def called_photo(name: str) -> bool:
    """Whether the name alone is a photo's."""
    start, dot, suffix = name.rpartition(".")
    return f"{dot}{suffix.lower()}" in PHOTO_SUFFIXES and start != "" and not name.startswith(".")


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
    size, problem = inspect_file(data / path)
    name = PurePosixPath(path).name
    if of_tool(name):
        what = "a hidden file" if name.startswith(".") else "a system file"
    elif problem:
        return LeftOut(path, "an unreadable file", problem)
    else:
        try:
            with (data / path).open("rb") as file:
                kind = kind_of(file.read(HEAD))
        except OSError as error:
            problem = f"unreadable: {error.strerror}"
            return LeftOut(path, "an unreadable file", problem, size)
        if kind.what != "other":
            return None
        what = kind.name
    return LeftOut(path, what, what, size)
