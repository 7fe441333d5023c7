"""What long jobs and results print: progress bars, and tables that may be wider than the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text


class _Rate(ProgressColumn):
    """Photos a second over the last moments, or over the whole job once it is done."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} photos/s" if speed else "starting", style="cyan")


def photo_progress(*fields: str, console: Console | None = None) -> Progress:
    """A bar over photos.

    Args:
        fields: names of values to show beside the bar; give them in `add_task` and `update`.
        console: where to draw; standard output when left out.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        _Rate(),
        *(TextColumn(f"{{task.fields[{field}]}}") for field in fields),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )


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
