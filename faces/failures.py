"""Failures in one line: what happened, to which file, and the cure."""

from __future__ import annotations

import errno
import os
import pwd
import re
import stat
from pathlib import Path

from faces.terminal.text import one_line

_MEMORY = "end other programs, or allow this one more (ulimit -v), and the same command goes on from here"
_NO_MEMORY = re.compile(
    "(can't|cannot) allocate|out of mem|bad_alloc|insufficient mem|alloc(ation|ator)?[ _](fail|err)"
    "|failed to map|PyObject pointer is null|could not create a primitive",
    re.IGNORECASE,
)
"""What the system, numpy, torch, oneDNN, CUDA's libraries and DALI say of memory that they did not get."""
_NO_THREAD = re.compile("(can't|cannot) start new thread|temporarily unavail", re.IGNORECASE)
_ROOM = "make room, and the same command goes on from here"
_CURES = {
    errno.ENOSPC: _ROOM,
    errno.EDQUOT: _ROOM,
    errno.EFBIG: "the limit on the size of a file is reached (ulimit -f): raise it, or give another path",
    errno.EROFS: "it can only be read there: give a path on a disk that can be written",
    errno.EISDIR: "a folder lies where a file is needed: move it elsewhere, or give another path",
    errno.ENOENT: "check the path; where it is to be written, give one where folders can be made",
    errno.ENAMETOOLONG: "give a shorter one",
}
"""What to do about errors of the system, by number; further ones are in `what_failed`."""


def complaint(error: BaseException) -> str:
    """The line that a command prints of an error, whatever keys and names of a file are in it; "" of one that
    is a mistake of the program."""
    if isinstance(error, ValueError):
        return one_line(str(error))
    if is_exhaustion(error):
        return one_line(f"out of memory ({exhaustion_in_words(error)}); {_MEMORY}")
    return one_line(what_failed(error)) if isinstance(error, OSError) else ""


def is_exhaustion(error: BaseException) -> bool:
    """Whether an error means that the system gave no memory, or no further thread."""
    return lacks_memory(error) or (not isinstance(error, OSError) and bool(_NO_THREAD.search(str(error))))


def lacks_memory(error: BaseException) -> bool:
    """Whether an error means that the system or a GPU gave no memory."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    # Libraries say so in errors of their own kinds.
    return isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)) is not None


def exhaustion_in_words(error: BaseException) -> str:
    """Of an error's text what says that memory is exhausted, at most 160 characters: in DALI's that is not
    the first of several lines."""
    lines = str(error).splitlines()
    return next(filter(_NO_MEMORY.search, lines), " ".join(lines))[:160] or type(error).__name__


def what_failed(error: OSError) -> str:
    """A line on what could not be read or written: the path, the system's words for why, and the cure."""
    name = error.filename if error.filename2 is None else error.filename2
    if error.strerror is None or not isinstance(name, str | bytes):
        return f"{error}; {_CURES[error.errno]}" if error.errno in _CURES else str(error)
    path = Path(os.fsdecode(name))
    cure = _CURES.get(error.errno or 0, "")
    # What of the path there is, from its beginning on, as far as it can be looked at.
    there = [(part, found) for part in (*reversed(path.parents), path) if (found := _status(part))]
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        files = [part for part, found in there if not stat.S_ISDIR(found.st_mode)]
        file = "it" if files == [path] else str([*files, path][0])
        cure = f"{file} is a file where a folder is needed: move it elsewhere, or give another path"
    elif error.errno in (errno.EACCES, errno.EPERM) and there:
        part, found = there[-1]
        cure = f"{part} belongs to {_user(found.st_uid)} ({stat.filemode(found.st_mode)}): "
        cure += f"let {_user(os.geteuid())} use it (chmod, chown), or give another path"
    return f"{path}: {error.strerror}{f'; {cure}' if cure else ''}"


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
