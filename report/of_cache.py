"""The page on a cache, for which no network is needed."""

from __future__ import annotations

from pathlib import Path

from faces.cache.reader import Cache
from faces.files import write_atomically
from preprocess.look.page import render
from preprocess.look.survey import survey_crops
from report.counts import dealt_folds
from report.place import place_of_page

SEED = 0
"""Of the crops that are drawn at random."""


def report_on_cache(cache: Path, out: Path | None) -> list[Path]:
    """Write the page on a cache: what stage 1 made, as `make look` shows it, and how it is dealt to folds.

    Args:
        cache: a finished cache.
        out: the page; report.html in the cache where it is None.

    Returns:
        The file written.

    Raises:
        CacheError: the cache is unfinished or damaged.
        OSError: the page cannot be written.
    """
    opened = Cache.open(cache)
    page = place_of_page(out, cache)
    counts, why = dealt_folds(opened)
    html = render(survey_crops(opened), SEED, folds=counts, not_dealt=why)
    write_atomically(page, html.encode())
    return [page]
