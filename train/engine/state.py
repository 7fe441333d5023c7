"""The state that a training goes on from, as it is saved and read."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from faces.files import write_atomically
from train.engine.card import CURE, RunError
from train.engine.finite import unfinite_state, way_out
from train.recipe.request import REQUEST_FILE

REQUEST = "request"
"""Key of a training state: the digest of what it is a state of."""
_DIGEST = hashlib.sha256().digest_size


def save_state(state: Mapping[str, Any], path: Path) -> None:
    """Write the training state atomically, with a sha256 at its end; the one before it becomes `previous`."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    data = buffer.getvalue()
    if path.is_file():
        path.replace(previous_state(path))
    write_atomically(path, data + hashlib.sha256(data).digest())


def previous_state(path: Path) -> Path:
    """Path of the state before the last: `last.previous.pt` of `last.pt`."""
    return path.with_stem(f"{path.stem}.previous")


def read_state(path: Path) -> dict[str, Any]:
    """A saved training state. Never unpickles code.

    Raises:
        RunError: a damaged file; a kill does not leave one.
    """
    data = path.read_bytes()
    data, digest = data[:-_DIGEST], data[-_DIGEST:]
    if hashlib.sha256(data).digest() != digest:
        raise RunError(f"{path}: not a whole training state, its sha256 differs from the one at its end")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever it stumbles over
        raise RunError(f"{path}: not a training state of this program's ({type(error).__name__})") from error
    if not isinstance(state, dict):
        raise RunError(f"{path}: not a training state of this program's (no table in it)")
    return state


def load_state(
    path: Path, say: Callable[[str], object] = lambda _: None, request: str = ""
) -> dict[str, Any] | None:
    """The newest intact training state, or None where none was saved yet.

    Args:
        path: the last one; where it is damaged, missing or not finite, the one before it is taken.
        say: called with a line on each file that cannot be gone on from.
        request: digest of what is trained (`StateFile`); "" compares none.

    Raises:
        RunError: the last is damaged or not finite, and there is no sound one before it; or it is the state
            of another request.
    """
    kept = [state for state in (path, previous_state(path)) if state.is_file()]
    for place in kept:
        cure = "move it elsewhere, and the fold is trained from its beginning"
        try:
            state = read_state(place)
            if wrong := unfinite_state(state):
                cure = way_out(path.parent)
                raise RunError(f"{place}: values of {wrong} are NaN or infinite, nothing can go on from it")
        except RunError as error:
            if place is kept[-1]:
                raise RunError(f"{error}; {cure}") from error
            say(f"{error}; going on from {kept[-1].name}")
            continue
        # States of before do not tell.
        if request and state.get(REQUEST, request) != request:
            raise RunError(
                f"{place}: state of another training than {path.with_name(REQUEST_FILE)} and recipe.toml "
                f"beside it ask for; {CURE}"
            )
        return state
    return None


def check_state(state: Mapping[str, Any], epochs: int, batches: int) -> None:
    """Refuse a state whose entries are not those of a training, before anything is taken from it.

    Args:
        state: of `load_state`.
        epochs: of the training.
        batches: of one of its epochs.

    Raises:
        ValueError: naming the entry.
    """
    tables = ("model", "optimiser", "schedule", "scaler", "average", "skipped", "part")
    if wrong := [name for name in tables if not isinstance(state.get(name), dict)]:
        raise ValueError(f"{wrong[0]} is no table")
    history, part = state.get("history"), state["part"]
    if not isinstance(history, list) or len(history) > epochs:
        raise ValueError(f"history is no list of at most {epochs} epochs")
    for number, row in enumerate(history):
        numbers = isinstance(row, dict) and all(isinstance(value, float) for value in row.values())
        if not numbers or row.get("epoch") != number:
            raise ValueError(f"history[{number}] is not the row of that epoch")
    if not all(isinstance(row, int) and isinstance(why, str) for row, why in state["skipped"].items()):
        raise ValueError("skipped is no table of reasons by row")
    if not isinstance(part.get("next_batch"), int) or not 0 <= part["next_batch"] <= batches:
        raise ValueError(f"part.next_batch is not in 0 to {batches}")


class StateFile:
    """The file that training goes on from, and the clock by which it is written in mid-epoch.

    Args:
        path: the file.
        minutes: of wall time between two saves; 0 saves after every batch. No result depends on it.
        request: digest of what is trained, which every state carries; "" for none.

    Raises:
        ValueError: minutes below 0.
    """

    def __init__(self, path: Path, minutes: float, request: str = "") -> None:
        if not minutes >= 0:
            raise ValueError(f"checkpoint_minutes={minutes}: must be 0 (after every batch) or more")
        self.path, self._seconds, self._request = path, 60 * minutes, request
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether so many minutes have gone since the last save, or since the beginning."""
        return time.monotonic() - self._saved >= self._seconds

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state atomically and start the clock anew."""
        save_state({**state, **({REQUEST: self._request} if self._request else {})}, self.path)
        self._saved = time.monotonic()

    def load(self, say: Callable[[str], object]) -> dict[str, Any] | None:
        """`load_state` of this file and request."""
        return load_state(self.path, say, self._request)
