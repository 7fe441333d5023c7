"""`python -m preprocess.verify --cache DIR`: whether a cache is sound, to the last crop."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from faces.cache.description import read_description
from faces.command import run_command
from faces.remote.shards import brought_whole
from faces.remote.stage import address_here
from faces.terminal.progress import photo_progress
from faces.terminal.text import printable
from preprocess.faults import find_faults


@dataclass(frozen=True, kw_only=True)
class VerifySettings:
    """Checks every file and crop of a finished cache. Names what is wrong, each with its cure, and then exits
    with code 1.

    Example: make verify CACHE=caches/mine
    """

    cache: Path
    """A finished cache."""


def verify(settings: VerifySettings) -> None:
    """Check a cache, print what is wrong, and exit with code 1 if anything is."""
    if address_here(settings.cache):
        brought_whole(settings.cache, read_description(settings.cache)["shards"])
    with photo_progress() as progress:
        bar = progress.add_task("crops", total=None)

        def show(done: int, total: int) -> None:
            progress.update(bar, completed=done, total=total)

        faults = [*find_faults(settings.cache, show)]
    for fault in faults:
        print(printable(fault).replace("\n", " "))
    if faults:
        sys.exit(1)
    description = read_description(settings.cache)
    print(f"{settings.cache}: sound; {description['samples']} crops in {len(description['shards'])} shards")


def main() -> None:
    """The command line."""
    run_command(VerifySettings, verify)


if __name__ == "__main__":
    main()
