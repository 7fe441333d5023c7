"""Files and folders that the names of a table mean, also where no name is quite that of its file."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.foreign.names import NEAR, Match, Names, say_found
from faces.photos.names import called_photo, source_name
from preprocess.sources.listing import photo_row
from preprocess.sources.source import paths_below

_MISSING: Final = "missing:"
"""Beginning of the problem of a photo that is not there."""


def list_photos(
    cells: pd.Series, table: Path, data: Path, notes: list[str], below: str = ""
) -> list[dict[str, Any]]:
    """A `photo_row` for each name of a table, of the file that it means.

    Args:
        cells: the names by row number, relative to the folder `below` of `data`.
        table: named in errors and notes.
        data: root of the photos.
        notes: gets sentences on names that are not quite those of their files.
        below: folder of the photos.

    Raises:
        ValueError: two names mean one file.
    """
    rows = [photo_row(data, str(PurePosixPath(below, cell)), image_id=cell) for cell in cells]
    lost = [place for place, row in enumerate(rows) if row["problem"].startswith(_MISSING)]
    for place, (path, reason) in _find_lost(cells, lost, table, data / below, notes).items():
        if path:
            rows[place] = photo_row(data, str(PurePosixPath(below, path)), image_id=cells.iloc[place])
        else:
            rows[place]["problem"] = f"{_MISSING} no such file{reason}"
    return rows


def find_folders(cells: pd.Series, table: Path, root: Path, notes: list[str]) -> list[tuple[str, str]]:
    """The folder in `root` that each name of a table means, and "" or what may be meant where there is none.

    Raises:
        ValueError: two names mean one folder.
    """
    lost = [place for place, cell in enumerate(cells) if not (root / cell).is_dir()]
    found = _find_lost(cells, lost, table, root, notes, folders=True)
    there = [found.get(place, (cell, "")) for place, cell in enumerate(cells)]
    return [(path or cell, reason) for cell, (path, reason) in zip(cells, there, strict=True)]


def _find_lost(
    cells: pd.Series, lost: list[int], table: Path, root: Path, notes: list[str], *, folders: bool = False
) -> dict[int, tuple[str, str]]:
    """What each name at the places `lost` means; where that is nothing, "" and what is to be said of it."""
    if not lost:
        return {}
    by_name = {str(PurePosixPath(cells.iloc[place])): place for place in {*range(len(cells))} - {*lost}}
    there = paths_below(root, folders=folders)
    names = Names((path for path in there if folders or _may_be_photo(path)), by_name)
    matches = {place: names.find(cells.iloc[place]) for place in lost}
    for place, match in matches.items():
        before = by_name.setdefault(match.path, place) if match.path else place
        if before != place:
            first, second = sorted((before, place))
            raise ValueError(
                f"{table}: {cells.name} {cells.iloc[place]!r} occurs twice, in rows {cells.index[first]} and "
                f"{cells.index[second]}: both mean {source_name(match.path)}; remove one, or name "
                "the other's own file"
            )
    kind = "folder" if folders else "file"
    notes.extend(f"{table.name}: {line}" for line in say_found(cells.iloc[lost], [*matches.values()], kind))
    nowhere = len(lost) == len(cells) and not any(match.path for match in matches.values())
    return {
        place: (match.path, _reason(cells.iloc[place], match, names, root if nowhere else None))
        for place, match in matches.items()
    }


def _may_be_photo(path: str) -> bool:
    name = PurePosixPath(path).name
    return called_photo(name) or "." not in name


def _reason(name: str, match: Match, names: Names, root: Path | None) -> str:
    """Why a name means nothing. Where no name of a table does, also where they were looked for, and the
    nearest to it however far."""
    looked = f"; looked in {root}" if root else ""
    if match.path:
        return ""
    if match.several:
        more = f" and {len(match.several) - 2} more" if len(match.several) > 2 else ""
        both = f"{' and '.join(map(source_name, match.several[:2]))}{more}"
        differ = f"differ from it in {' and '.join(match.differs)}"
        return f"{looked}; {both} {differ}: name the one that is meant"
    near = names.nearest(name, 0.0 if root else NEAR)
    if near:
        return f"{looked}; the nearest is {source_name(near)}"
    return f"{looked}, where nothing lies" if root else ""
