"""Files that are written whole, and folders that one process writes."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

SETTINGS_BYTES: Final = 2**20
"""A file that a person writes, such as a recipe, is not read beyond this; the longest of ours has 3,000."""
FILE_KINDS: Final = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
"""What is no regular file, by its kind. Only regular files are opened: a pipe may wait for ever, and a device
may have no end."""


def settings_text(path: Path, most: int = SETTINGS_BYTES) -> str:
    """The text of a file that a person writes, whatever the locale: UTF-8, with a byte order mark or without.

    Args:
        path: the file.
        most: bytes that are read at most.

    Raises:
        ValueError: no regular file, beyond `most`, or not in UTF-8, with the first such line.
        OSError: it cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        kind = FILE_KINDS.get(stat.S_IFMT(status.st_mode), "something else")
        raise ValueError(f"{path}: is {kind} and not a file; name a file")
    if status.st_size > most:
        raise ValueError(
            f"{path}: {status.st_size:,} bytes, and no such file has more than {most:,}; name another file"
        )
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"{path}: line {line} is not in UTF-8; save it as UTF-8") from error


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that its name only ever stands for the whole content, also after a power cut and where
    another process writes the same file.

    Raises:
        OSError: no space left, say; the temporary file is removed, nothing else touched, `path` named.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def write_once(path: Path, data: bytes) -> None:
    """Write a file that several processes may begin at once: the first one's content stays, whole, and the
    others leave it. File systems without hard links keep the last one's.

    Raises:
        OSError: it cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.first.tmp")
    write_atomically(temporary, data)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:
        write_atomically(path, data)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make a folder if need be and write into it once, before hours go into what is to be written there.

    Raises:
        OSError: it cannot be made or written, named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from error


@contextmanager
def exclusive(
    folder: Path,
    *,
    doing: str = "writing it",
    cure: str = "choose another folder",
    beside: bool = False,
    wait: bool = False,
) -> Iterator[None]:
    """Hold a folder, made if need be, against other processes that ask the same; a dead one holds nothing.

    The lock is the kernel's, on the folder itself (flock), so no lock file is ever left behind. File systems
    that cannot lock folders, as some network ones, do without.

    Args:
        folder: what is held.
        doing: what whoever holds it is doing, for the one who is refused.
        cure: what to do but wait.
        beside: hold it together with others that ask for this, against those that do not.
        wait: until whoever holds it ends.

    Raises:
        ValueError: another process holds it.
        OSError: the folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kind = (fcntl.LOCK_SH if beside else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, kind)
        except BlockingIOError as error:
            raise ValueError(
                f"{folder}: another process is {doing}; wait until that ends, or {cure}"
            ) from error
        except OSError:
            pass  # no locks on this file system
        yield
    finally:
        os.close(handle)
