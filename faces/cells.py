"""Cells of CSV tables that a spreadsheet would take for a formula, and run."""

from __future__ import annotations

import re
from typing import Final

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet takes for a formula."""
_HERE: Final = "./"


def path_cell(path: str) -> str:
    """A relative path as a cell: what would be a formula gets `./` in front, which names the same file."""
    return f"{_HERE}{path}" if path.startswith(FORMULAS) else path


def cell_path(cell: str) -> str:
    """The path that `path_cell` wrote as a cell; any other cell is as it was."""
    path = cell.removeprefix(_HERE)
    return path if path.startswith(FORMULAS) else cell


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula; a number with its sign or a sign alone is none."""
    return text.startswith(FORMULAS) and not re.fullmatch(r"[-+=@]|[-+][0-9]+([.][0-9]+)?", text)
