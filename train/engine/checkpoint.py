"""What a run keeps: the trained weights with all that is needed to use them, and the state to go on from."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from faces.files import write_atomically
from faces.storage.tables import table_bytes
from train.engine.card import CURE, HEADER, OOF_FILE, TENSORS_NOTE, RunCard, RunError, card_text, parse_card
from train.network.model import Network, build_model
from train.network.weights_file import METADATA, digest_of, header_of, unfinite
from train.recipe.request import REQUEST_FILE

REQUEST = "request"
"""Key of a training state: the digest of what it is a state of."""
_DIGEST = hashlib.sha256().digest_size
_DRAWS = (
    *(Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_),
    *(nn.init.kaiming_normal_, nn.init.kaiming_uniform_),
)


def save_best(network: nn.Module, card: RunCard, path: Path, answers: pd.DataFrame | None = None) -> None:
    """Write weights and card as one safetensors file, and their answers as oof.parquet beside it.

    Each file names the other by its digest, and each is written atomically, the answers first: a kill
    between the two leaves files that do not fit each other, until the same training goes on and writes both.

    Args:
        network: whose weights are kept.
        card: without digests, which are filled in.
        path: best.safetensors.
        answers: of `train.results.oof.oof_table`; None where nobody validates.
    """
    # Copies: safetensors takes no tensor under two names, as backbones that share weights have them.
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    tensors, oof = digest_of(save(state)), ""
    if answers is not None:
        data = table_bytes(answers, {TENSORS_NOTE: tensors})
        oof = hashlib.sha256(data).hexdigest()
        write_atomically(path.with_name(OOF_FILE), data)
    card = dataclasses.replace(card, tensors=tensors, oof=oof)
    # One key: safetensors writes several in an order of its own, and equal runs are to be equal files.
    write_atomically(path, save(state, metadata={HEADER: card_text(card)}))


def load_weights(path: Path) -> tuple[dict[str, Tensor], RunCard]:
    """The weights of a run's file by name, on the CPU, and its card; both checked, in one read of the file.

    Raises:
        RunError: as `read_card`; weights that are not those of the card's digest; or any that is not finite.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; train it with `make train`")
    data = path.read_bytes()
    try:
        state, header = load(data), header_of(data)[0]
    except Exception as error:  # safetensors raises an exception type of its own for every kind of damage
        raise RunError(f"{path}: not a whole safetensors file ({error}); {CURE}") from error
    card = parse_card(header.get(METADATA, {}).get(HEADER), path)
    if card.tensors and digest_of(data) != card.tensors:
        raise RunError(f"{path}: edited or damaged, its weights do not fit the sha256 in its card; {CURE}")
    if wrong := unfinite(state):
        more = f" and {len(wrong) - 1} more tensors" if wrong[1:] else ""
        raise RunError(
            f"{path}: values of {wrong[0]!r}{more} are NaN or infinite; {CURE}, in precision fp32 if it was "
            "another"
        )
    return state, card


def load_best(path: Path) -> tuple[Network, RunCard]:
    """The trained network, in evaluation mode on the CPU, and its card.

    Raises:
        RunError: as `load_weights`, or weights of another network than the card's recipe describes.
    """
    state, card = load_weights(path)
    try:
        with _Undrawn():
            network = build_model(card.recipe, card.labels, initialise=False)
    except (ValueError, RuntimeError, MemoryError) as error:
        raise RunError(f"{path}: its network cannot be built ({_first_line(error)}); {CURE}") from error
    own = network.state_dict()
    wrong = [name for name in {**own, **state} if not _alike(own.get(name), state.get(name))]
    if wrong:
        sides = [f"{[*side[wrong[0]].shape]}" if wrong[0] in side else "none" for side in (state, own)]
        raise RunError(
            f"{path}: weights of another network than its card describes, {len(wrong)} tensors differ: "
            f"{wrong[0]!r} is {sides[0]} there, {sides[1]} by the recipe; {CURE}"
        )
    network.load_state_dict(state)
    return network.eval(), card


class _Undrawn(TorchFunctionMode):
    """Where it is on, initial weights are not drawn: what was trained takes their place at once."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return (args or [*(kwargs or {}).values()])[0] if func in _DRAWS else func(*args, **(kwargs or {}))


def _alike(one: Tensor | None, other: Tensor | None) -> bool:
    return one is not None and other is not None and one.shape == other.shape


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


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
        path: the last one; where it is damaged or missing, the one before it is taken.
        say: called with a line on each damaged file.
        request: digest of what is trained (`StateFile`); "" compares none.

    Raises:
        RunError: the last is damaged, and there is no intact one before it; or it is the state of another
            request.
    """
    kept = [state for state in (path, previous_state(path)) if state.is_file()]
    for place in kept:
        try:
            state = read_state(place)
        except RunError as error:
            if place is kept[-1]:
                cure = "move it elsewhere, and the fold is trained from its beginning"
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
