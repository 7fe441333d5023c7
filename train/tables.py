"""Tables in the terminal that may be wider than it."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_WIDEST = 400
"""Characters of a line, at most."""


def print_whole(table: Table, console: Console) -> None:
    """Print a table with all its columns whole.

    A line that the terminal breaks is legible, columns cut to an ellipsis are not.
    """
    before = console.width
    needed = Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum
    console.width = max(before, needed)
    console.print(table)
    console.width = before
