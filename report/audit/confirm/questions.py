"""What a person is asked about each suggestion of an audit, and the crops to look at."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from faces.pages.thumbnails import thumbnail
from report.audit.folder import UNKNOWN_LABEL, Audit

SIDE: Final = 256
"""Of a crop on the page, at most, in pixels."""
MOST: Final = 12
"""Photos of a person that are shown."""


def questions_of(audit: Audit) -> list[dict[str, Any]]:
    """A table for each suggestion: number, factor, kind, person, given, value, confidence, other (values that
    neither keep nor follow it) and count of photos."""
    found = []
    for number, rows in audit.table.groupby("number", sort=False):
        first = rows.iloc[0]
        factor = audit.cache.label_set.factor(first["column"])
        swap = first["kind"] == "swap"
        others = [value for value in factor.classes if value not in (first["given"], first["value"])]
        found.append(
            {
                "number": int(str(number)),
                "kind": first["kind"],
                "factor": first["column"],
                "person": first["person"],
                "given": first["given"],
                "value": first["value"],
                "confidence": float(first["confidence"]),
                "other": [] if swap else [*others, UNKNOWN_LABEL],
                "count": len(first["rows"].split()),
            }
        )
    return found


def photos_of(audit: Audit, number: int) -> list[dict[str, str]]:
    """The crops of a suggestion: image (a data: URI), name, and of a swap what would become of each.

    Raises:
        KeyError: no suggestion has that number.
    """
    rows = audit.table[audit.table["number"] == number]
    if rows.empty:
        raise KeyError(number)
    shown = [int(row) for row in rows["rows"].iloc[0].split()][:MOST]
    notes = [f"{row['given']} → {row['value']}" for _, row in rows.iterrows()]
    names = _names(audit, shown)
    return [
        {
            "image": thumbnail(audit.cache.image(row), SIDE, quality=85),
            "name": name,
            "note": notes[place] if rows["kind"].iloc[0] == "swap" else "",
        }
        for place, (row, name) in enumerate(zip(shown, names, strict=True))
    ]


def _names(audit: Audit, rows: list[int]) -> pd.Series:
    return audit.cache.columns("image_id")["image_id"].iloc[rows].astype(str)
