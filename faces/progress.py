"""The progress bar of every job over photos: how many a second, how long still."""

from __future__ import annotations

from rich.console import Console
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
