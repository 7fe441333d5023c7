"""What long jobs print of their progress."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, TypeVar

from rich import get_console
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

T = TypeVar("T")

LINE_SECONDS = 30
"""Seconds between two lines of a job that has no terminal to draw a bar on."""
_POLL_SECONDS = 1
"""Seconds between two looks at the clock."""


class JobProgress(Progress):
    """Bars on a terminal; anywhere else, such as a log file, a plain line of each job every `LINE_SECONDS`.

    A line reads `faces: 12,480 of 20,000 photos, 212 photos/s, 0:00:35 left`, with the mean rate since the
    job began. Jobs that end before their first line print nothing; the others end with a last line.

    Args:
        columns: of the bar.
        unit: plural of what is counted.
        fields: names of a task's values that stand at the end of its line; empty ones are left out.
        console: where to draw or print, and whose clock counts; standard output when left out.
        transient: whether a finished bar disappears.
    """

    def __init__(
        self,
        *columns: ProgressColumn,
        unit: str,
        fields: tuple[str, ...] = (),
        console: Console | None = None,
        transient: bool = False,
    ) -> None:
        console = console or get_console()
        self._draws_bars = console.is_interactive or console.is_jupyter
        super().__init__(*columns, console=console, transient=transient, auto_refresh=self._draws_bars)
        self._streams = sys.stdout, sys.stderr
        self._unit = unit
        self._fields = fields
        self._before: dict[TaskID, float] = {}
        """What was done already when the job began, which its rate leaves out."""
        self._printed: set[TaskID] = set()
        """Jobs that must still print their last line."""
        self._next_line = math.inf
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start to draw or print."""
        if self._draws_bars:
            self._streams = sys.stdout, sys.stderr
            # Rich puts itself before the streams, and must find those that it may steer.
            sys.stdout, sys.stderr = (
                getattr(stream, "rich_proxied_file", stream) for stream in self._streams
            )
            super().start()
        elif self._thread is None:
            self._next_line = self.get_time() + LINE_SECONDS
            self._stopped.clear()
            self._thread = threading.Thread(target=self._print_until_stopped, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Draw or print how it ended."""
        if self._draws_bars:
            super().stop()
            sys.stdout, sys.stderr = self._streams
        elif self._thread is not None:
            self._stopped.set()
            self._thread.join()
            self._thread = None
            self._next_line = math.inf
            self._print_lines([task for task in self.tasks if task.id in self._printed])

    def add_task(self, description: str, *values: Any, **options: Any) -> TaskID:
        """Add a job, as `rich.progress.Progress.add_task` does."""
        task = super().add_task(description, *values, **options)
        self._before[task] = self._tasks[task].completed
        return task

    def reset(self, task_id: TaskID, **options: Any) -> None:
        """Begin a job anew, as `rich.progress.Progress.reset` does."""
        super().reset(task_id, **options)
        self._before[task_id] = self._tasks[task_id].completed

    def refresh(self) -> None:
        """Draw the bars, or print the lines that are due."""
        if self._draws_bars:
            super().refresh()
            return
        with self._lock:
            if self.get_time() >= self._next_line:
                self._next_line = self.get_time() + LINE_SECONDS
                self._print_lines([t for t in self.tasks if t.id in self._printed or not t.finished])

    def _print_until_stopped(self) -> None:
        while not self._stopped.wait(_POLL_SECONDS):
            self.refresh()

    def _print_lines(self, tasks: Iterable[Task]) -> None:
        for task in tasks:
            if task.visible:
                self.console.print(self._line(task), markup=False, highlight=False, soft_wrap=True)
                (self._printed.discard if task.finished else self._printed.add)(task.id)

    def _line(self, task: Task) -> str:
        total = "" if task.total is None else f" of {task.total:,.0f}"
        parts = [f"{task.description}: {task.completed:,.0f}{total} {self._unit}"]
        seconds = task.finished_time if task.finished_time is not None else task.elapsed
        done = task.completed - self._before.get(task.id, task.completed)
        if seconds and done > 0:
            rate = done / seconds
            parts.append(f"{rate:,.0f} {self._unit}/s" if rate >= 10 else f"{rate:.2g} {self._unit}/s")
            if task.finished:
                parts.append(f"{timedelta(seconds=round(seconds))} in all")
            elif task.remaining is not None:
                parts.append(f"{timedelta(seconds=math.ceil(task.remaining / rate))} left")
        return ", ".join([*parts, *(str(task.fields[name]) for name in self._fields if task.fields[name])])


class _Rate(ProgressColumn):
    """Photos a second over the last moments, or over the whole job once it is done."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} photos/s" if speed else "starting", style="cyan")


def photo_progress(*fields: str, console: Console | None = None) -> JobProgress:
    """Progress of a job over photos.

    Args:
        fields: names of values to show with it; give them in `add_task` and `update`.
        console: where to draw or print; standard output when left out.
    """
    return JobProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        _Rate(),
        *(TextColumn(f"{{task.fields[{field}]}}", markup=False) for field in fields),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        unit="photos",
        fields=fields,
        console=console,
    )


def step_progress(unit: str, *, console: Console | None = None, transient: bool = False) -> JobProgress:
    """Progress of a job over something else than photos.

    Args:
        unit: plural of what is counted.
        console: where to draw or print; standard output when left out.
        transient: whether a finished bar disappears.
    """
    return JobProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        unit=unit,
        console=console,
        transient=transient,
    )


def track(
    values: Iterable[T],
    description: str,
    unit: str,
    *,
    console: Console | None = None,
    transient: bool = False,
) -> Iterator[T]:
    """Pass on values one by one, with progress over them as in `step_progress`."""
    with step_progress(unit, console=console, transient=transient) as progress:
        yield from progress.track(values, description=description)
