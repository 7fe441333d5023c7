"""Files that may be photos: which may be opened, and what they are."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

from faces.photos.kinds import HEAD, Kind, kind_of
from faces.photos.ration import RationedFile

_STATES = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""How a file is opened: without waiting for the writer of a named pipe, on systems that would wait; and as it
is, on systems that would change ends of lines."""


class BadPhoto(Exception):
    """A photo that cannot be used. `reason` is for people; `sha256` is "" where the bytes were not read."""

    def __init__(self, reason: str, sha256: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.sha256 = sha256


def open_file(path: Path) -> RationedFile:
    """A regular file, open for reading.

    The name is looked at first, since to open a device may act on it, and what was opened again, since it may
    be another file by then.

    Raises:
        BadPhoto: it is none, or cannot be opened.
    """
    problem = inspect_file(path)[1]
    if problem:
        raise BadPhoto(problem)
    try:
        file = RationedFile(io.FileIO(os.open(path, READ)))
    except OSError as error:
        raise BadPhoto(f"unreadable: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise BadPhoto("not a regular file any more")
    return file


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
        return -1, f"not a regular file but {_STATES.get(stat.S_IFMT(status.st_mode), 'something else')}"
    return status.st_size, ""


def kind_at(path: Path) -> Kind:
    """What a file is by its first bytes.

    Raises:
        BadPhoto: it is no regular file, or cannot be read.
    """
    with open_file(path) as file:
        try:
            return kind_of(file.read(HEAD))
        except OSError as error:
            raise BadPhoto(f"unreadable: {error.strerror}") from error
