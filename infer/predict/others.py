"""What another cache left in a folder is never replaced without a word."""

from __future__ import annotations

import re
from pathlib import Path

from faces.cache.reader import Cache
from faces.command import load_toml


def title_of(folder: Path | str, identity: str) -> str:
    """A cache in few words: its folder, and the beginning of the hash that tells it from others."""
    return f"{folder}, {identity[:12]}"


def check_not_of_another(path: Path, what: str, there: str, cache: Cache, cure: str) -> None:
    """Refuse to write where the results of another cache are.

    Args:
        path: that would be written.
        what: it holds, such as "answers".
        there: `title_of` the cache that they are of.
        cache: whose results would take their place.
        cure: where to write instead.

    Raises:
        ValueError: `there` is not the title of a cache of the same samples, wherever it lies.
    """
    here = title_of(cache.folder, cache.identity)
    if there.rpartition(", ")[2] != here.rpartition(", ")[2]:
        raise ValueError(
            f"{path}: holds {what} of another cache ({there}), which those of this one ({here}) would "
            f"replace; {cure}, or move {path} elsewhere"
        )


def fitted_on(cache: Cache) -> str:
    """The cache in the line `about` of an ensemble that was fitted on it; `check_fitted` reads it again."""
    return f"{cache.folder.name} ({cache.identity[:12]})"


def check_fitted(out: Path, cache: Cache) -> None:
    """Refuse to write an ensemble fitted on one cache where one fitted on another is.

    Args:
        out: the ensemble's file; one that says nothing of a cache is no such one.
        cache: that the new one is fitted on.

    Raises:
        ValueError: it was fitted on another cache, or is not readable.
    """
    about = str(load_toml(out).get("about", "")) if out.is_file() else ""
    if found := re.search(r" on (.+) \(([0-9a-f]{12})\)", about):
        cure = 'give another file (ARGS="--out file.toml")'
        check_not_of_another(out, "the ensemble", title_of(*found.groups()), cache, cure)
