"""What a layout of folders or tables says of its photos, in the words of its own files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Final

import pandas as pd

from faces.factors import plain_word
from faces.labels import LabelSet
from faces.photos.names import of_tool, source_name
from faces.terminal.text import one_line
from preprocess.settings import Columns
from preprocess.sources.listing import LeftOut, photos_below

_SPLITS: Final = {
    "train": "train training",
    "val": "val valid validation dev",
    "test": "test testing",
}
_SPLIT_WORDS: Final = {word: split for split, words in _SPLITS.items() for word in words.split()}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where photos are looked for, and what their labels are."""

    data: Path
    """A folder, or a table."""
    labels: LabelSet
    declared: bool
    """Whether the labels are of a label file; names that it does not know are then wrong."""
    columns: Columns = Columns()  # noqa: RUF009  it is frozen
    proposing: bool = False
    """Whether labels are only looked for, to be proposed: names that nobody knows are no error."""
    notes: list[str] = field(default_factory=list)
    """Gets sentences on what was taken for granted."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Gets what lies among the photos and is none."""

    @cached_property
    def paths(self) -> list[str]:
        """Of the photos below the folder, relative to it; none of a table."""
        return photos_below(self.data, self.left_out) if self.data.is_dir() else []


@dataclass(frozen=True, kw_only=True)
class Source:
    """Photos, and what is told of each."""

    layout: str
    folder: Path
    """Root of the photos."""
    photos: list[dict[str, Any]]
    """One `photo_row` a face, in the source's order; `split` and `box` where they are told."""
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Texts, a row a photo and a column for all that may be a label; "" where not told."""
    where: Callable[[int], str] = str
    """The place of a photo's texts, named in errors: a table with its row, or a file."""
    no_labels: frozenset[str] = frozenset()
    """Columns that are known to be no labels."""
    is_table: bool = False
    """Whether its columns are called as people like, so that a factor's own name for its column counts."""


Layout = tuple[Callable[[Place], bool], Callable[[Place], Source]]
"""Whether photos lie as it has them, and the photos."""


def split_of(text: str) -> str:
    """train, val, test or fold<k> of a word for a part of the data, or "" where it is none."""
    word = plain_word(text)
    return _SPLIT_WORDS.get(word) or (word if re.fullmatch(r"fold[0-9]+", word) else "")


def listed(names: Iterable[str], most: int = 5) -> str:
    """Some names in one line, as `source_name` writes them, and how many more there are."""
    shown = [one_line(source_name(name)) for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "")


def paths_below(root: Path, *, folders: bool = False) -> Iterator[str]:
    """Paths of the files below a folder, or of its folders, relative to it; not in hidden folders or those of
    tools. Links to folders are followed, but never in a circle; what cannot be listed holds nothing."""
    seen: set[tuple[int, int]] = set()
    for place, below, files in os.walk(root, followlinks=True):
        status = Path(place).stat()
        if (status.st_dev, status.st_ino) in seen:
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not of_tool(name))
        path = PurePosixPath(place).relative_to(root)
        yield from (str(path / name) for name in (below if folders else sorted(files)))
