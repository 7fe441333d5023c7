"""What a run keeps: the trained weights with all that is needed to use them, and the state to go on from."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from faces.command import from_table, to_table
from faces.files import write_atomically
from faces.label_file import labels_stored, stored_labels
from faces.labels import LabelSet
from train.network.model import Network, Normalisation, build_model
from train.recipe.fit import check_fit
from train.recipe.recipe import Recipe

RUN_VERSION = 2
_HEADER = "facefold_run"
_DIGEST = hashlib.sha256().digest_size


class RunError(ValueError):
    """A run that cannot be used: unfinished, of another version or damaged."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunCard:
    """What must be known to use trained weights; travels in the header of `best.safetensors`."""

    recipe: Recipe
    """The recipe as trained: precision resolved."""
    normalisation: Normalisation
    classes: Mapping[str, tuple[str, ...]]
    """Names of the classes of each head."""
    fold: int
    folds: int
    fold_seed: int
    scheme: str
    """The folds' scheme; runs of the same number, seed and scheme of folds saw the same people."""
    epoch: int
    """The epoch, from 0, whose weights these are."""
    score: float
    """Validation macro F1 of that epoch; NaN where nobody validated."""
    crop: Mapping[str, Any]
    """Settings the training crops were made with; photos to predict must be cropped alike."""
    labels: LabelSet
    """The factors of the cache it was trained on."""
    prior: Mapping[str, tuple[float, ...]]
    """Shares of the classes among the fold's training photos: of the labels' headline task where photos are
    labelled for it, else of each of the recipe's tasks, by name."""


def save_best(network: nn.Module, card: RunCard, path: Path) -> None:
    """Write weights and card as one safetensors file, atomically."""
    # Copies: safetensors takes no tensor under two names, as backbones that share weights have them.
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }
    header = {
        "version": RUN_VERSION,
        "recipe": to_table(card.recipe),
        "normalisation": dataclasses.asdict(card.normalisation),
        "classes": dict(card.classes),
        "fold": card.fold,
        "folds": card.folds,
        "fold_seed": card.fold_seed,
        "scheme": card.scheme,
        "epoch": card.epoch,
        "macro_f1": card.score,
        "crop": dict(card.crop),
        # Runs of before knew no other task, and equal runs are to be equal files.
        "prior": card.prior["class18"] if {*card.prior} == {"class18"} else dict(card.prior),
    }
    if stored := stored_labels(card.labels):
        header["labels"] = stored
    # One key: safetensors writes several in an order of its own, and equal runs are to be equal files.
    write_atomically(path, save(state, metadata={_HEADER: json.dumps(header)}))


def read_card(path: Path) -> RunCard:
    """The card of `best.safetensors`, without its weights.

    Raises:
        RunError: not there, not a run of this program's, or of another version.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; train it with `make train`")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(_HEADER, "{}"))
    except Exception as error:  # safetensors raises an exception type of its own for every kind of damage
        raise RunError(f"{path}: not a whole safetensors file ({error}); train the fold again") from error
    if header.get("version") != RUN_VERSION:
        raise RunError(f"{path}: not a run of version {RUN_VERSION}; train the fold again with this program")
    labels = labels_stored(header.get("labels"), path)
    recipe = from_table(Recipe, header["recipe"], path)
    try:
        check_fit(recipe, labels)
    except ValueError as error:
        raise RunError(f"{path}: {error}; train the fold again with this program") from error
    prior = header["prior"]
    return RunCard(
        recipe=recipe,
        normalisation=Normalisation(**{k: tuple(v) for k, v in header["normalisation"].items()}),
        classes={task: tuple(names) for task, names in header["classes"].items()},
        fold=header["fold"],
        folds=header["folds"],
        fold_seed=header["fold_seed"],
        scheme=header["scheme"],
        epoch=header["epoch"],
        score=header["macro_f1"],
        crop=header["crop"],
        labels=labels,
        prior={
            task: tuple(shares)
            for task, shares in (prior if isinstance(prior, dict) else {"class18": prior}).items()
        },
    )


def load_best(path: Path) -> tuple[Network, RunCard]:
    """The trained network, in evaluation mode on the CPU, and its card."""
    card = read_card(path)
    network = build_model(card.recipe, card.labels, initialise=False)
    with safe_open(path, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    network.load_state_dict(state)
    return network.eval(), card


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
    state: dict[str, Any] = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    return state


def load_state(path: Path, say: Callable[[str], object] = lambda _: None) -> dict[str, Any] | None:
    """The newest intact training state, or None where none was saved yet.

    Args:
        path: the last one; where it is damaged or missing, the one before it is taken.
        say: called with a line on each damaged file.

    Raises:
        RunError: the last is damaged, and there is no intact one before it.
    """
    kept = [state for state in (path, previous_state(path)) if state.is_file()]
    for state in kept:
        try:
            return read_state(state)
        except RunError as error:
            if state is kept[-1]:
                cure = "delete it, and the fold is trained from its beginning"
                raise RunError(f"{error}; {cure}") from error
            say(f"{error}; going on from {kept[-1].name}")
    return None


class StateFile:
    """The file that training goes on from, and the clock by which it is written in mid-epoch.

    Args:
        path: the file.
        minutes: of wall time between two saves; 0 saves after every batch. No result depends on it.

    Raises:
        ValueError: minutes below 0.
    """

    def __init__(self, path: Path, minutes: float) -> None:
        if not minutes >= 0:
            raise ValueError(f"checkpoint_minutes={minutes}: must be 0 (after every batch) or more")
        self.path, self._seconds = path, 60 * minutes
        self._saved = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether so many minutes have gone since the last save, or since the beginning."""
        return time.monotonic() - self._saved >= self._seconds

    def save(self, state: Mapping[str, Any]) -> None:
        """Write the state atomically and start the clock anew."""
        save_state(state, self.path)
        self._saved = time.monotonic()
