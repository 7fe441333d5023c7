"""What a target is, and what its reader may answer to an input."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Literal

from faces.failures import complaint

ROOT: Final = Path(__file__).parents[2]

MOST_NEWLINES: Final = 3
"""Of a message; a key or a name of the file may have some, and they are written out."""


@dataclass(frozen=True)
class Case:
    """One input: a file."""

    file: str
    """Its path below the folder that it is read in."""
    data: bytes


@dataclass(frozen=True, kw_only=True)
class Target:
    """A reader, and what makes damaged files for it."""

    make: Callable[[Random], Case]
    """An input; the same generator makes the same."""
    read: Callable[[Case, Path], object]
    """Lay the input into an empty folder and read it there."""
    refuses: tuple[type[Exception], ...] = (ValueError, OSError)
    """What the reader documents to raise."""
    names_file: bool = True
    """Whether the message must name a file in that folder; else the caller puts the name before it."""


@dataclass(frozen=True)
class Outcome:
    """What a reader answered."""

    kind: Literal["accepted", "refused", "failed"]
    told: str = ""
    """The message of a refusal, or what is wrong."""
    where: str = ""
    """Of a failure: what equal failures have in common."""
    trace: str = ""


def placed(case: Case, folder: Path) -> Path:
    """The input as a file in a folder."""
    path = folder / case.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(case.data)
    return path


def attempt(target: Target, case: Case, folder: Path) -> Outcome:
    """Read one input.

    Args:
        target: the reader.
        case: the input.
        folder: an empty one.
    """
    try:
        target.read(case, folder)
    except (Exception, SystemExit) as error:
        message = complaint(error) or str(error)
        wrong = _wrong(target, error, message, folder)
        if not wrong:
            return Outcome("refused", message)
        return Outcome("failed", f"{wrong}: {message!r:.300}", _where(error, wrong), traceback.format_exc())
    return Outcome("accepted")


def _wrong(target: Target, error: BaseException, message: str, folder: Path) -> str:
    """Why this is no way to refuse a file, or ""."""
    if not isinstance(error, target.refuses):
        return f"{type(error).__name__} instead of {' or '.join(kind.__name__ for kind in target.refuses)}"
    if not message.strip():
        return f"{type(error).__name__} without a message"
    if str(error).count("\n") > MOST_NEWLINES:
        return f"{type(error).__name__} whose message is a page"
    if target.names_file and str(folder) not in message:
        return f"{type(error).__name__} whose message names no file"
    return ""


def _where(error: BaseException, wrong: str) -> str:
    """The last line of ours that the error came through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame
        for frame in frames
        if Path(frame.filename).is_relative_to(ROOT) and ".venv" not in frame.filename
    ]
    last = (ours or frames)[-1]
    place = Path(last.filename)
    place = place.relative_to(ROOT) if place.is_relative_to(ROOT) else Path(place.name)
    return f"{wrong} at {place}:{last.lineno}"
