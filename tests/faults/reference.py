"""What a command does in the sound world, learned from two runs of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tests.faults.commands import fits
from tests.faults.zygote.client import Ended

_BETWEEN = re.compile(r"(\s+|,)")
_TIMED = re.compile(r"\bms\b|\w+/s\b|\d s\b")
_NUMBER = re.compile(r"\d[\d.]*")
_LARGE = re.compile(r"\d{2,}")
"""A rate, say, in a table that has some: equal in two runs by chance."""


@dataclass(frozen=True)
class SoundRun:
    """One run."""

    ended: Ended
    wrote: Mapping[str, str]
    """Digests of the files that it wrote."""
    removed: frozenset[str]
    texts: Mapping[str, str]
    """Those of the files that are text."""


@dataclass(frozen=True)
class Reference:
    """What a command does in the sound world; of two runs, so that what differs by itself is known."""

    results: Mapping[str, str]
    """Digests of the files that it writes, of equal content in both runs."""
    texts: Mapping[str, Sequence[str]]
    """Patterns of the lines of text files that hold times, say."""
    gone: frozenset[str]
    """Files that it removes."""
    loose: frozenset[str]
    """Files that it writes, and that are never the same."""
    lines: Sequence[str]
    """Patterns of the lines that it prints."""
    errors: frozenset[str]
    """Lines that it prints to stderr."""

    def but(self, patterns: tuple[str, ...]) -> Reference:
        """Without the files that fit the patterns."""
        results = {path: found for path, found in self.results.items() if not fits(path, patterns)}
        texts = {path: lines for path, lines in self.texts.items() if not fits(path, patterns)}
        return replace(self, results=results, texts=texts, loose=self.loose | {*self.results} - {*results})


def reference(one: SoundRun, other: SoundRun) -> Reference:
    """What two runs have in common."""
    loose = {path for path in {*one.wrote, *other.wrote} if one.wrote.get(path) != other.wrote.get(path)}
    return Reference(
        results={path: found for path, found in one.wrote.items() if path not in loose},
        texts={
            path: patterns(one.texts[path], other.texts[path])
            for path in loose
            if path in one.texts and path in other.texts
        },
        gone=one.removed & other.removed,
        loose=frozenset(loose),
        lines=patterns(one.ended.stdout, other.ended.stdout),
        errors=frozenset(one.ended.stderr.splitlines()),
    )


def patterns(one: str, other: str) -> list[str]:
    """Expressions for the lines that two texts have in common, where some words may differ, times always."""
    pairs = [pair for pair in zip(one.splitlines(), other.splitlines(), strict=False) if pair[0].strip()]
    timed = bool(_TIMED.search(one))
    found = []
    for first, second in pairs:
        words, others = _BETWEEN.split(first.strip()), _BETWEEN.split(second.strip())
        if len(words) == len(others):
            loose = _NUMBER if _TIMED.search(first) else _LARGE if timed else None
            same = [_pattern(*pair, loose) for pair in zip(words, others, strict=True)]
            found.append(rf"\s*{''.join(same)}\s*")
    return found


def _pattern(word: str, other: str, loose: re.Pattern[str] | None) -> str:
    if not word.strip():
        return r"\s+" if word else ""
    return r"[^\s,]+" if word != other or (loose and loose.fullmatch(word)) else re.escape(word)


def has_lines(text: str, wanted: Sequence[str]) -> str:
    """The first pattern without a line of its own in the text, in order; nothing if there is none."""
    lines = iter(text.splitlines())
    for pattern in wanted:
        if not any(re.fullmatch(pattern, line) for line in lines):
            return pattern
    return ""
