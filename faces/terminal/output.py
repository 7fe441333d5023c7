"""What is printed: it cannot steer a terminal, its reader may leave, and tables may be wider than it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, TextIO, cast

import rich.text
from rich import get_console
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from faces.terminal.text import printable


class _Unread:
    """A stream whose reader may leave (`| head`): what is written from then on goes nowhere. Results are
    files, so a command goes on to its end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with self._leaving():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._leaving():
            self._stream.flush()

    @contextmanager
    def _leaving(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            # What is still in the stream's buffer is written at the program's end.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Escaped:
    """A stream that makes all that is written to it `printable`. Rich, whose own marks are to steer, writes
    to the one behind it; its texts are made printable one by one."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = _Unread(stream)

    def write(self, text: str) -> int:
        self.rich_proxied_file.write(printable(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def print_in_any_locale() -> None:
    """Characters that the encoding of the locale lacks are printed as \\uc0ac, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _open_closed() -> None:
    """Where the process was begun with a closed stream, what is printed goes nowhere, and no file that is
    opened later gets the stream's number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number is this one
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", closefd=False))


@contextmanager
def escaped_output() -> Iterator[None]:
    """Make all that is printed `printable`, and let whoever reads it leave."""
    _open_closed()
    texts: Any = rich.text
    streams, strip = (sys.stdout, sys.stderr), texts.strip_control_codes
    sys.stdout, sys.stderr = (cast(TextIO, _Escaped(stream)) for stream in streams)
    texts.strip_control_codes = printable
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        sys.stdout, sys.stderr = streams
        texts.strip_control_codes = strip


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


def print_notes(notes: Iterable[str]) -> None:
    """Print what was found out or repaired, and goes on: a yellow line for each note."""
    for note in notes:
        get_console().print(note, style="yellow", highlight=False, markup=False, soft_wrap=True)
