"""`python -m preprocess.look --cache DIR`: a page to look at a cache of face crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.cache import Cache
from faces.command import run_command
from faces.writer import write_atomically
from preprocess.look.page import render
from preprocess.look.survey import survey

PAGE = "look.html"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Write a page that shows whether a cache is sound: counts, crops with their faces, what went wrong."""

    cache: Path
    """A finished cache."""
    out: Path | None = None
    """The page to write; look.html in the cache when this is not given."""
    seed: int = 0
    """Chooses the crops that are drawn at random."""


def look(settings: Settings) -> Path:
    """Write the page; the same cache and seed give the same bytes.

    Returns:
        Where it is.

    Raises:
        CacheError: the cache is unfinished or damaged.
        OSError: the page cannot be written.
    """
    cache = Cache.open(settings.cache)
    page = settings.out or settings.cache / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(page, render(survey(cache), settings.seed).encode())
    return page


def main() -> None:
    """The command line."""
    run_command(Settings, lambda settings: print(f"wrote {look(settings)}"))
