"""Finds the file that a name means which no file has: the two often differ in ways that people do not see."""

from __future__ import annotations

import difflib
import re
import unicodedata
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final, NamedTuple

from faces.photos.kinds import PHOTO_SUFFIXES
from faces.photos.names import source_name


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
NEAR: Final = 0.7
"""Least similarity, 0 to 1, of a name to the one that it is told is the nearest."""


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
        self._levels: list[_Level] = []

    def find(self, name: str) -> Match:
        """What a name means: the only path that is like it, at the first difference at which any is."""
        if ".." in re.split(r"[/\\]", name):
            return Match("")
        for level in _ALL:
            if level == len(self._levels):
                self._levels.append(_Level(self._paths, self._levels[-1] if level else None))
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

    def nearest(self, name: str, least: float = NEAR) -> str:
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
    """Paths without some differences, by what is left of them.

    Args:
        paths: as they are.
        before: with one difference more; None for the first level.
    """

    def __init__(self, paths: Sequence[str], before: _Level | None) -> None:
        change: int = before._change + 1 if before else 0
        old: Sequence[str] = before._keys if before else paths
        self._change: int = change
        self._keys: list[str] = [*map(_CHANGES[change][1], old)]
        self._whole: dict[str, list[str]] = before._whole if before else {}
        self._tails: dict[str, list[str]] = before._tails if before else {}
        self._tops: set[str] = before._tops if before else set()
        if not before or self._keys != old:
            self._whole = _grouped((key, path) for key, path in zip(self._keys, paths, strict=True))
        if change == _FOLDERS or (change > _FOLDERS and self._keys != old):
            pairs = [*zip(self._keys, paths, strict=True)]
            self._tails = _grouped((tail, path) for key, path in pairs for tail in _tails(key))
            self._tops = {
                _reduce(top, _ALL) for top in {key.split("/")[0] for key in self._keys if "/" in key}
            }

    def find(self, name: str) -> list[str]:
        key = _reduce(name, _ALL[: self._change + 1])
        if key in self._whole or self._change < _FOLDERS:
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


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key, path in pairs:
        found[key].append(path)
    return dict(found)


def _tails(path: str) -> Iterator[str]:
    """What is left of a path without its first folder, its first two, and so on."""
    while "/" in path:
        path = path.split("/", 1)[1]
        yield path


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


def say_found(names: Iterable[str], matches: Iterable[Match], what: str) -> list[str]:
    """Sentences on how many names were found to mean something, a file or folder, in spite of which
    differences."""
    found: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for name, match in zip(names, matches, strict=True):
        if match.path:
            found[match.differs].append((name, match.path))
    notes = []
    for differs, [(name, path), *more] in found.items():
        those = (
            f"{len(more) + 1} names differ from their {what}s" if more else f"1 name differs from its {what}"
        )
        such = "such as " if more else ""
        notes.append(
            f"{those} in {' and '.join(differs)} only, {such}{name!r} for {source_name(path)}: taken"
        )
    return notes
