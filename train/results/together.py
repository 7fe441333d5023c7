"""Whether the files in a run's folder belong together: weights, their answers, and what was asked for."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from faces.cache.description import file_sha256
from faces.labelling.kept import differences
from faces.storage.tables import read_table
from train.engine.card import BEST_FILE, CURE, OOF_FILE, TENSORS_NOTE, RunCard, RunError, read_card
from train.recipe.request import REQUEST_FILE, Request, read_request, recipe_differences
from train.results.oof import read_oof


def read_checked_oof(folder: Path) -> pd.DataFrame:
    """The answers in the folder of a run, which are those of the weights there, if there are any.

    Raises:
        ValueError: as `read_oof` and `check_folder`.
    """
    best = folder / BEST_FILE
    if best.is_file():
        check_folder(best, read_card(best))
    return read_oof(folder)


def check_folder(best: Path, card: RunCard) -> None:
    """Refuse weights that lie among the files of another run. Files that are not there are not missed, so
    that weights can be copied for use elsewhere.

    Args:
        best: best.safetensors.
        card: its card.

    Raises:
        ValueError: they are of another fold than the folder's name or request.json says, of another recipe,
            division, cache or labels; oof.parquet is not theirs; or one of the files is damaged.
    """
    named = re.fullmatch(r"fold(\d+(?:-\d+)*)", best.parent.resolve().name)
    if named and tuple(map(int, named[1].split("-"))) != card.left_out:
        mine, there = ("-".join(map(str, folds)) for folds in (card.left_out, map(int, named[1].split("-"))))
        raise RunError(f"{best}: holds the weights of fold {mine}, in the folder of fold {there}; {CURE}")
    request = best.with_name(REQUEST_FILE)
    if request.is_file():
        check_request(best, card, read_request(request))
    check_answers(best, card)


def check_request(best: Path, card: RunCard, request: Request) -> None:
    """Refuse weights of another training than a request.

    Raises:
        RunError: naming both files and what differs.
    """
    path = best.with_name(REQUEST_FILE)
    differing = recipe_differences(request.recipe, card.recipe)
    for name in ("fold", "folds", "fold_seed", "scheme", "also_out", "cache"):
        asked, mine = getattr(request, name), getattr(card, name)
        if asked != mine and mine != "":  # runs of before did not keep their cache
            differing.append(f"{name}: {asked!r} there, {mine!r} now")
    differing += differences(card.labels, request.label_set(path))
    if differing:
        told = "; ".join(differing).replace(" now", " here")
        raise RunError(f"{best}: weights of another training than {path} (there) asked for: {told}; {CURE}")


def check_answers(best: Path, card: RunCard) -> None:
    """Refuse an oof.parquet beside weights that did not give its answers.

    Raises:
        ValueError: naming both files; or oof.parquet is damaged.
    """
    path = best.with_name(OOF_FILE)
    if not path.is_file():
        return
    named = read_table(path, CURE, ["fold"]).notes.get(TENSORS_NOTE, "")  # of a damaged file, this says so
    if named != card.tensors or ((card.oof or named) and file_sha256(path) != card.oof):
        raise RunError(
            f"{path}: holds other answers than those of {best}: a training that was killed between the two "
            f"writes both again when it goes on; otherwise {CURE}"
        )


def check_there(best: Path, card: RunCard, *names: str) -> None:
    """Refuse a training of which a file is lost.

    Args:
        best: best.safetensors.
        card: its card.
        names: of files beside it; oof.parquet only counts where the weights have answers.

    Raises:
        RunError: naming the first that is not there.
    """
    for name in names:
        if not best.with_name(name).is_file() and (name != OOF_FILE or card.oof):
            raise RunError(f"{best.with_name(name)}: no such file beside the weights that it is of; {CURE}")


def check_alike(runs: Mapping[Path, RunCard]) -> None:
    """Refuse folds in one recipe's folder that are of different recipes, such as one copied from elsewhere.

    Args:
        runs: the cards by best.safetensors.

    Raises:
        RunError: naming both files and what differs.
    """
    (first, card), *others = runs.items()
    for best, other in others:
        # Precision was measured, and where numbers end was looked for, in each fold.
        age = dataclasses.replace(card.recipe.age, clipped_at=other.recipe.age.clipped_at)
        there = dataclasses.replace(card.recipe, precision="auto", age=age)
        differing = recipe_differences(there, other.recipe)
        if differing:
            told = "; ".join(differing).replace(" now", " here")
            raise RunError(f"{best}: of another recipe than {first} (there): {told}; {CURE}")
