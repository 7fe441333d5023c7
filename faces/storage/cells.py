"""Cells of CSV tables: they come back as they were written, and no spreadsheet takes them for a formula."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from faces.photos.names import FORMULAS

if TYPE_CHECKING:
    import pandas as pd


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula; a number with its sign or a sign alone is none."""
    return text.startswith(FORMULAS) and not re.fullmatch(r"[-+=@]|[-+][0-9]+([.][0-9]+)?", text)


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as a CSV file in UTF-8, without its index, that every reader splits into the same cells.

    A carriage return, which a name may have, ends a row for most readers where it stands outside of quotes,
    and the writer of CSV sees none in it.
    """
    text = table.to_csv(index=False)
    return (table.to_csv(index=False, quoting=csv.QUOTE_ALL) if "\r" in text else text).encode()
