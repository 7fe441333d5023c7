"""Where libraries keep what they compile and fetch for a user who has no folder to write to: in a container,
say, or with an installation of another user.

Numba, matplotlib, torch and the hubs of weights each look for a place of their own below the home folder.
Numba ends the program where it finds none, and for a user whom the system does not list "~" itself becomes
the name of a folder.
"""

from __future__ import annotations

import getpass
import os
import stat
import sysconfig
import tempfile
from pathlib import Path
from typing import Final


def settle() -> str:
    """See that libraries find places that can be written; where all can be, nothing changes.

    They read their surroundings when they are imported, so this comes before. Processes that are begun later
    find the same places.

    Returns:
        A line on where things are kept instead, "" where nothing was to be done.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = str(os.getuid())  # as trackers call who runs
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's own raises for a user who is not listed
    moved = {}
    if not home.is_absolute() or (not _may_write(home) and not os.access(home / ".cache", os.R_OK | os.X_OK)):
        moved["HOME"] = "."  # nothing of the user's lies there
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        given = os.environ.get("NUMBA_CACHE_DIR")
        # Numba keeps things beside the code, its own way of doing so, and below the home folder otherwise.
        code = (Path(__file__).parents[1], Path(sysconfig.get_path("purelib")))
        if not given and not _may_write(cache) and not all(_may_write(folder) for folder in code):
            moved["NUMBA_CACHE_DIR"] = "numba"
        if "MPLCONFIGDIR" not in os.environ and not (_may_write(cache) and _may_write(settings)):
            moved["MPLCONFIGDIR"] = "matplotlib"
    if not moved:
        return ""
    missing = f"{home}: not to be written" if home.is_absolute() else "no home folder is known"
    try:
        kept = _own_folder()
        for name, place in moved.items():
            (kept / place).mkdir(exist_ok=True)
            os.environ[name] = str(kept / place)
    except OSError:
        return f"{missing}, nor is any temporary folder; set TMPDIR to one that is"
    return f"{missing}; what libraries compile or fetch is kept in {kept}"


def _may_write(folder: Path) -> bool:
    """Whether files can be made in a folder, which may have to be made itself."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _own_folder() -> Path:
    """A folder of this user's alone among the temporary ones, the same for all processes where it can be.

    What numba keeps is executed, so a folder that others may have filled is none.
    """
    folder = Path(tempfile.gettempdir()) / f"facefold-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return Path(tempfile.mkdtemp(prefix="facefold-"))
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return folder if own else Path(tempfile.mkdtemp(prefix="facefold-"))


NOTE: Final = settle()
"""What commands say of it: this is imported before all else."""
