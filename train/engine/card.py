"""The card of a run: all that must be known to use trained weights; it travels in their file's header."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from safetensors import safe_open

from faces.command import from_table, to_table
from faces.folds import FoldScheme
from faces.labelling.kept import labels_stored, stored_labels
from faces.labels import LabelSet
from faces.storage.documents import document, parse_document
from faces.storage.seal import is_sealed
from train.network.normalisation import Normalisation
from train.recipe.before import with_meant
from train.recipe.fit import check_fit
from train.recipe.recipe import Recipe
from train.recipe.request import check_also_out

RUN_VERSION = 2
BEST_FILE: Final = "best.safetensors"
"""Name of the weights, with their card, in the folder of a run."""
OOF_FILE: Final = "oof.parquet"
"""Name of the answers of these weights to the photos that the fold left out, beside them."""
NESTED: Final = "nested"
"""Name of the folder in a recipe's folder with the runs that leave out two folds each."""
HEADER: Final = "facefold_run"
"""The card's key in the header of the weights."""
TENSORS_NOTE: Final = "tensors"
"""Note of oof.parquet: the digest of the weights that gave the answers."""
CURE: Final = "copy the run again, or move its folder elsewhere and train the fold again"
_ANSWERED_BY: Final = ("tasks", "backbone", "image_size", "centre", "precision", "head", "age")
"""Fields of a recipe that answers follow from: a sealed card has them all, so that none falls back to its
default unseen."""
_LEFT_OUT_IF_EMPTY: Final = ("also_out", "cache", "tensors", "oof", "drawn")
_SUMS_WITHIN: Final = 1e-3


class RunError(ValueError):
    """A run that cannot be used: unfinished, of another version, damaged or mixed with another."""


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
    scheme: FoldScheme
    """The folds' scheme; runs of the same number, seed and scheme of folds saw the same people."""
    also_out: tuple[int, ...] = ()
    """Folds whose people did not train either, but validated, beside those of `fold`: of nested trainings."""
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
    cache: str = ""
    """Identity of the cache it was trained on; "" in runs of before, which did not keep it."""
    tensors: str = ""
    """Hex sha256 of the weights (`train.network.weights_file.digest_of`); "" in runs of before."""
    drawn: bool = False
    """Whether some of its training photos show drawn people; False in runs of before, which did not tell."""
    oof: str = ""
    """Hex sha256 of the oof.parquet of these weights; "" where nobody validated, and in runs of before."""

    @property
    def left_out(self) -> tuple[int, ...]:
        """The folds whose people did not train."""
        return self.fold, *self.also_out


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Stored:
    """The card as it is in the file."""

    version: int
    recipe: Recipe
    normalisation: Normalisation
    classes: Mapping[str, tuple[str, ...]]
    fold: int
    folds: int
    fold_seed: int
    scheme: FoldScheme
    epoch: int
    macro_f1: float
    crop: Mapping[str, Any]
    prior: Mapping[str, tuple[float, ...]]
    labels: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    also_out: tuple[int, ...] = ()
    cache: str = ""
    tensors: str = ""
    oof: str = ""
    drawn: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.fold < self.folds:
            raise ValueError(
                f"fold={self.fold}: with folds={self.folds} they are numbered from 0 to below it"
            )
        check_also_out(self.fold, self.folds, self.also_out)
        if not 0 <= self.epoch < self.recipe.epochs:
            raise ValueError(f"epoch={self.epoch}: with epochs={self.recipe.epochs} there is none such")
        if self.fold_seed < 0:
            raise ValueError(f"fold_seed={self.fold_seed}: must be 0 or more")
        if not math.isnan(self.macro_f1) and not 0 <= self.macro_f1 <= 1:
            raise ValueError(f"macro_f1={self.macro_f1}: must be in 0 to 1")
        for name in ("cache", "tensors", "oof"):
            if getattr(self, name) and not re.fullmatch("[0-9a-f]{64}", getattr(self, name)):
                raise ValueError(f"{name}: is no sha256")


def card_text(card: RunCard) -> str:
    """A card as the sealed text that the file's header holds. Equal cards give equal texts."""
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
        "prior": dict(card.prior),
        **{name: value for name in _LEFT_OUT_IF_EMPTY if (value := getattr(card, name))},
    }
    if stored := stored_labels(card.labels):
        header["labels"] = stored
    return document(header).decode()


def read_card(path: Path) -> RunCard:
    """The card of `best.safetensors`, without its weights, whose digest is not compared.

    Raises:
        RunError: not there, not a run of this program's, of another version, edited or damaged.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such file; train it with `make train`")
    try:
        with safe_open(path, framework="np") as file:
            header = (file.metadata() or {}).get(HEADER)
    except Exception as error:  # safetensors raises an exception type of its own for every kind of damage
        raise RunError(f"{path}: not a whole safetensors file ({error}); {CURE}") from error
    return parse_card(header, path)


def parse_card(text: str | None, path: Path) -> RunCard:
    """The card in the text of a header, every field of which is checked.

    Raises:
        RunError: as `read_card`.
    """
    again = "train the fold again with this program"
    if text is None:
        raise RunError(f"{path}: weights without the card of a run; {again}")
    try:
        table = parse_document(text.encode(), path, CURE)
        if table.get("version") != RUN_VERSION:
            raise ValueError(f"{path}: not a run of version {RUN_VERSION}; {again}")
        return _card_of(table, path, whole=is_sealed(text.encode()))
    except ValueError as error:
        told = str(error)
        raise RunError(told if CURE in told or again in told else f"{told}; {CURE}") from error


def _card_of(table: dict[str, Any], path: Path, *, whole: bool) -> RunCard:
    """A card from its table; `whole` where it was written with all that cards have now."""
    # Runs of before knew no other task.
    prior = {"class18": table["prior"]} if isinstance(table.get("prior"), list) else table.get("prior")
    stored = from_table(_Stored, {**with_meant(table), **({} if prior is None else {"prior": prior})}, path)
    if whole:
        lacking = [f"recipe.{name}" for name in _ANSWERED_BY if name not in table["recipe"]]
        lacking += [] if stored.tensors else ["tensors"]
        if lacking:
            raise ValueError(f"{path}: {lacking[0]} is missing")
    elif stored.tensors or stored.oof:
        raise ValueError(f"{path}: the seal of its card is missing, so it was edited")
    labels = labels_stored(stored.labels or None, path)
    try:
        check_fit(stored.recipe, labels)
        _check_classes(stored, labels)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    fields = {
        field.name: getattr(stored, field.name)
        for field in dataclasses.fields(stored)
        if field.name not in ("version", "labels", "macro_f1")
    }
    return RunCard(**fields, score=stored.macro_f1, labels=labels)


def _check_classes(stored: _Stored, labels: LabelSet) -> None:
    """Refuse heads and shares that are not those of the labels' tasks."""
    if {*stored.classes} != {*stored.recipe.tasks}:
        raise ValueError(
            f"classes are of {', '.join(stored.classes)}, the recipe's tasks {', '.join(stored.recipe.tasks)}"
        )
    for task, names in stored.classes.items():
        if names != (known := labels.task(task).classes):
            raise ValueError(
                f"head {task} has the classes {', '.join(names)}, by its labels they are "
                f"{', '.join(known)}, in that order"
            )
    for task, shares in stored.prior.items():
        size = len(labels.task(task).classes)
        if len(shares) != size or not all(share >= 0 for share in shares):
            raise ValueError(f"prior.{task}: must be {size} shares, none below 0")
        if not abs(sum(shares) - 1) <= _SUMS_WITHIN:
            raise ValueError(f"prior.{task}: its shares sum to {sum(shares):.4g}, not to 1")
    if not stored.prior:
        raise ValueError("prior: must have the shares of at least one task")
