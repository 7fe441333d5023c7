"""Names of files: which are photos' and which tools', and how a name stands in a table."""

from __future__ import annotations

import os
import re
from typing import Final

from faces.photos.kinds import PHOTO_SUFFIXES

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
FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet takes for a formula."""
_HERE: Final = "./"


def of_tool(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or a system's or tool's own."""
    return name.startswith(".") or name.lower() in TOOLS


def called_photo(name: str) -> bool:
    """Whether the name alone is a photo's."""
    start, dot, suffix = name.rpartition(".")
    return f"{dot}{suffix.lower()}" in PHOTO_SUFFIXES and start != "" and not name.startswith(".")


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


def path_cell(path: str) -> str:
    """A relative path as a cell: what would be a formula gets `./` in front, which names the same file."""
    return f"{_HERE}{path}" if path.startswith(FORMULAS) else path


def cell_path(cell: str) -> str:
    """The path that `path_cell` wrote as a cell; any other cell is as it was."""
    path = cell.removeprefix(_HERE)
    return path if path.startswith(FORMULAS) else cell
