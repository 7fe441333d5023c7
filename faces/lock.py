"""One writer at a time for a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Hold a folder, which must exist, against other processes that ask the same; a dead one holds nothing.

    The lock is the kernel's, on the folder itself (flock), so no lock file is ever left behind. File systems
    that cannot lock folders, as some network ones, do without.

    Raises:
        ValueError: another process holds it.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(
                f"{folder}: another process is writing it; wait until that ends, or choose another folder"
            ) from error
        except OSError:
            pass  # no locks on this file system
        yield
    finally:
        os.close(handle)
