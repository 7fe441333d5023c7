"""Finds the file that a name means which no file has: the two often differ in ways that people do not see."""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple

import pandas as pd

from preprocess.sources.kinds import PHOTO_SUFFIXES
from preprocess.sources.listing import called_photo, photo_row
from preprocess.sources.source import paths_below


def _suffix(path: str) -> str:
    stem, dot, suffix = path.rpartition(".")
    return stem if dot and f".{suffix.casefold()}" in PHOTO_SUFFIXES else path


def _zeros(path: str) -> str:
    """Numbers without their leading zeros; 12.0 is 12, as a column of whole numbers with gaps is written."""
    return re.sub(r"0*(\d+)", r"\1", re.sub(r"(?<![^/])(\d+)\.0(?![^/])", r"\1", path))


_CHANGES: Final[tuple[tuple[str, Callable[[str], str]], ...]] = (
    ("blanks", lambda path: "/".join(part.strip() for part in path.split("/"))),
    ("backslashes", lambda path: path.replace("\\", "/")),
    ("folders before them", lambda path: "/".join(part for part in path.split("/") if part not in ("", "."))),
    ("Unicode form", lambda path: unicodedata.normalize("NFC", path)),
    ("case", str.casefold),
    ("suffix", _suffix),
    ("zeros before numbers", _zeros),
)
"""In what a name and its file may differ, and what takes that away. They are tried in this order, each
together with those before it."""
_ALL: Final = tuple(range(len(_CHANGES)))
_FOLDERS: Final = 2
"""From here on one of both may have folders before it that the other has not."""
_SAME: Final = frozenset((0, 1, 3, 4))
"""Differences of spelling alone; by the others a name may be that of another file, which is lost."""
_NEAR: Final = 0.7
"""Least similarity, 0 to 1, of a name to the one that it is told is the nearest."""


_MISSING: Final = "missing:"
"""Beginning of the problem of a photo that is not there."""


class Match(NamedTuple):
    """What became of a name."""

    path: str
    """What it means, "" where that is nothing or not clear."""
    differs: tuple[str, ...] = ()
    """In what it differs from that, or from those that it may mean."""
    several: tuple[str, ...] = ()
    """Those that it may mean, where they are several."""


class Names:
    """Paths that there are, to be found by names that mean one of them.

    Args:
        paths: relative, with slashes between their parts.
        taken: those among them that are somebody else's by their very name. They are not found by a name that
            has other folders, another suffix or other zeros.
    """

    def __init__(self, paths: Iterable[str], taken: Collection[str] = ()) -> None:
        self._paths = [*paths]
        self._taken = {*taken}
        self._levels: dict[int, _Level] = {}

    def find(self, name: str) -> Match:
        """What a name means: the only path that is like it, at the first difference at which any is."""
        if ".." in re.split(r"[/\\]", name):
            return Match("")
        for level in _ALL:
            if level not in self._levels:
                self._levels[level] = _Level(self._paths, level)
            found = [
                (path, differs)
                for path in self._levels[level].find(name)
                if (differs := _differences(name, path, level)) <= _SAME or path not in self._taken
            ]
            if found:
                paths = tuple(path for path, _ in found)
                words = tuple(_CHANGES[change][0] for change in sorted(found[0][1]))
                return Match(paths[0], words) if len(paths) == 1 else Match("", words, paths)
        return Match("")

    def nearest(self, name: str, least: float = _NEAR) -> str:
        """The path most like a name, one that nobody has taken if there is any; "" where none is like it."""
        for paths in (self._free, self._sorted):
            near = difflib.get_close_matches(name, _neighbours(name, *paths), n=1, cutoff=least)
            if near:
                return near[0]
        return ""

    @cached_property
    def _sorted(self) -> tuple[list[str], list[str]]:
        return _both_ways(self._paths)

    @cached_property
    def _free(self) -> tuple[list[str], list[str]]:
        return _both_ways(path for path in self._paths if path not in self._taken)


class _Level:
    """Paths without some differences, by what is left of them."""

    def __init__(self, paths: Iterable[str], level: int) -> None:
        self._changes = _ALL[: level + 1]
        self._whole: dict[str, list[str]] = defaultdict(list)
        self._tails: dict[str, list[str]] = defaultdict(list)
        self._tops: set[str] = set()
        for path in paths:
            first, *rest = parts = _reduce(path, self._changes).split("/")
            self._whole["/".join(parts)].append(path)
            if rest and _FOLDERS in self._changes:
                self._tops.add(_reduce(first, _ALL))
                for place in range(1, len(parts)):
                    self._tails["/".join(parts[place:])].append(path)

    def find(self, name: str) -> list[str]:
        key = _reduce(name, self._changes)
        if key in self._whole or _FOLDERS not in self._changes:
            return self._whole.get(key, [])
        return [*self._tails.get(key, []), *self._without_folders(key.split("/"))]

    def _without_folders(self, parts: list[str]) -> list[str]:
        """The paths that a name is without its first folders, of which none may be there: what belongs in a
        folder that is there is not looked for elsewhere."""
        for place in range(1, len(parts)):
            if _reduce(parts[place - 1], _ALL) in self._tops:
                return []
            if found := self._whole.get("/".join(parts[place:])):
                return found
        return []


def _reduce(path: str, changes: Sequence[int]) -> str:
    for change in changes:
        path = _CHANGES[change][1](path)
    return path


def _differences(name: str, path: str, level: int) -> frozenset[int]:
    """The fewest differences that must be taken away for a name to be a path."""
    needed = [*range(level + 1)]
    for change in reversed(range(level + 1)):
        fewer = [each for each in needed if each != change]
        ours, theirs = _reduce(name, fewer), _reduce(path, fewer)
        tail = _FOLDERS in fewer and (ours.endswith(f"/{theirs}") or theirs.endswith(f"/{ours}"))
        if ours == theirs or tail:
            needed = fewer
    return frozenset(needed)


def _both_ways(paths: Iterable[str]) -> tuple[list[str], list[str]]:
    """Sorted by how they begin, and, each reversed, by how they end."""
    there = [*paths]
    return sorted(there), sorted(path[::-1] for path in there)


def _neighbours(name: str, forward: list[str], backward: list[str], count: int = 4) -> list[str]:
    """Paths that begin or end most like a name: to compare it with all would take too long."""
    at, end = bisect(forward, name), bisect(backward, name[::-1])
    return [
        *forward[max(at - count, 0) : at + count],
        *(path[::-1] for path in backward[max(end - count, 0) : end + count]),
    ]


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
                f"{cells.index[second]}: both mean {match.path}; remove one, or name the other's own file"
            )
    kind = "folders" if folders else "files"
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
        both = f"{' and '.join(match.several[:2])}{more} differ from it in {' and '.join(match.differs)}"
        return f"{looked}; {both}: name the one that is meant"
    near = names.nearest(name, 0.0 if root else _NEAR)
    if near:
        return f"{looked}; the nearest is {near}"
    return f"{looked}, where nothing lies" if root else ""


def say_found(names: Iterable[str], matches: Iterable[Match], what: str) -> list[str]:
    """Sentences on how many names were found to mean something in spite of which differences."""
    found: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for name, match in zip(names, matches, strict=True):
        if match.path:
            found[match.differs].append((name, match.path))
    return [
        f"{len(pairs)} names differ from their {what} in {' and '.join(differs)} only, such as "
        f"{pairs[0][0]!r} for {pairs[0][1]}: taken"
        for differs, pairs in found.items()
    ]
