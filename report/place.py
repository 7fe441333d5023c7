"""Where a page goes."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from faces.files import check_writable

PAGE: Final = "report.html"


def place_of_page(out: Path | None, folder: Path) -> Path:
    """Where the page goes, into a folder that can be written."""
    page = out or folder / PAGE
    if page.is_dir():
        raise ValueError(f"{page}: is a folder; give the page itself (OUT={page / PAGE})")
    check_writable(page.parent)
    return page
