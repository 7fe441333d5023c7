"""`python -m preprocess.join --caches A B --cache NEW`: finished caches as one, no crop made anew."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from faces.command import run_command
from faces.folds import EXTRA
from preprocess.join_caches import cache_name, join_caches


@dataclass(frozen=True, kw_only=True)
class JoinSettings:
    """Joins finished caches into a new one that shares their shards by hard links.

    All must have been cropped alike. A person of the same name in two caches is one person. Keys that an
    earlier cache has too get the name of their cache in front. After a stop the same command goes on.
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
    Console(markup=False, highlight=False, soft_wrap=True).print(
        f"{joined.folder}: {len(joined)} crops of {count} caches, {extra} of them extra"
    )


def main() -> None:
    """The command line."""
    run_command(JoinSettings, join)


if __name__ == "__main__":
    main()
