"""`python -m preprocess.join --caches A B --cache NEW`: finished caches as one, no crop made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache.reader import Cache
from faces.cache.tables import read_index
from faces.command import run_command
from faces.folds import EXTRA
from faces.terminal.text import printable
from preprocess.join_caches import cache_name, join_caches
from preprocess.sources.persons import joined_notes
from preprocess.twins import extra_lines, twin_lines


@dataclass(frozen=True, kw_only=True)
class JoinSettings:
    """Joins finished caches into a new one that shares their shards by hard links.

    All must have been cropped alike. A person of the same name in two caches, however it is spelt, is one
    person, and these are counted. Keys that an earlier cache has too get the name of their cache in front.
    After a stop the same command goes on.

    Example: make join CACHES="caches/a caches/b" CACHE=caches/both
    """

    caches: tuple[Path, ...]
    """Caches of ordinary photos, for example labelled ones and those to predict."""
    cache: Path
    """Folder to write; made if need be."""
    extra_caches: tuple[Path, ...] = ()
    """Caches of photos that only train, in every fold, and never validate. One whose index has a column
    `extra` names the folds itself."""

    def __post_init__(self) -> None:
        folders = [*self.caches, *self.extra_caches]
        if not self.caches or len(folders) < 2:
            raise ValueError(
                f"caches={' '.join(map(str, self.caches))}, extra_caches="
                f"{' '.join(map(str, self.extra_caches))}: name two or more, one of them in caches"
            )
        names = [cache_name(folder) for folder in folders]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise ValueError(
                    f"{folders[names.index(name)]} and {folders[at]} are both called {name!r}, and photos "
                    "are told apart by the name of their cache: rename a folder, or name each cache once"
                )


def join(settings: JoinSettings) -> None:
    """Join the caches and print what came of it."""
    joined = join_caches(settings.caches, settings.cache, settings.extra_caches)
    extra = int((joined.columns(EXTRA)[EXTRA] != "").sum())
    count = len(settings.caches) + len(settings.extra_caches)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(f"{joined.folder}: {len(joined)} crops of {count} caches, {extra} of them extra")
    for line in _notes(joined):
        console.print(printable(line), markup=False)


def _notes(joined: Cache) -> list[str]:
    """What is to be said of people and files that caches share; where all are told apart, nothing."""
    spelt, parts = read_index(joined.folder), joined.description["source"]["parts"]
    names = np.repeat([part["name"] for part in parts], [part["shards"] for part in parts])
    photos = spelt.assign(cache=names[spelt["shard"]])
    extra = joined.index[EXTRA] != ""
    return [
        *joined_notes(photos, joined.label_set),
        *twin_lines(joined.index[~extra], joined.label_set),
        *extra_lines(joined.index[~extra], joined.index[extra]),
    ]


def main() -> None:
    """The command line."""
    run_command(JoinSettings, join)


if __name__ == "__main__":
    main()
