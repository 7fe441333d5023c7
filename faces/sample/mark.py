"""Whether photos are drawn: by the mark that `write_sample` leaves beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

MARK, UNFINISHED_MARK = "sample.json", "sample.partial.json"
"""Names of the mark in the folder of a sample, once it is whole and before."""
_FIELDS: Final = {"people", "seed", "version"}
_ABOVE: Final = 3
"""How far above photos their mark may lie: <sample>/train/images/<person>."""


def is_drawn(photos: Path) -> bool:
    """Whether a folder of photos is a sample of `write_sample`, or lies in one."""
    folder = photos.resolve()
    return any(
        _marks(place / name)
        for place in (folder, *folder.parents[:_ABOVE])
        for name in (MARK, UNFINISHED_MARK)
    )


def _marks(path: Path) -> bool:
    """Whether a file is such a mark, and not another's of its name."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == _FIELDS
