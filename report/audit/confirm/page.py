"""The page that asks, as one HTML file and its script."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from faces.pages.render import render
from report.audit.folder import Audit
from report.audit.page import words_of


def render_confirm(audit: Audit, questions: Sequence[Any]) -> str:
    """The page as HTML, which loads nothing but what its own server sends."""
    script = files("report.audit.confirm").joinpath("confirm.js").read_text(encoding="utf-8")
    content = {
        "name": audit.cache.folder.resolve().name,
        "total": len(questions),
        "words": words_of(audit.cache),
    }
    return render("report.audit.confirm", "confirm.html.j2", content, script)
