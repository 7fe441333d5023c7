"""`python -m preprocess.look --cache DIR`: a page to look at a cache of face crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.command import run_command
from preprocess.look.page import PAGE, write_page


@dataclass(frozen=True, kw_only=True)
class LookSettings:
    """Write a page that shows whether a cache is sound: counts, crops with their faces, what went wrong.

    Example: make look CACHE=caches/mine
    """

    cache: Path
    """A finished cache."""
    out: Path | None = None
    """The page to write; look.html in the cache when this is not given."""
    seed: int = 0
    """Chooses the crops that are drawn at random."""


def look(settings: LookSettings) -> None:
    """Write the page and print where it is."""
    out = settings.out or settings.cache / PAGE
    write_page(settings.cache, out, settings.seed)
    print(f"wrote {out}")


def main() -> None:
    """The command line."""
    run_command(LookSettings, look)
