"""metrics.csv of a run: a row an epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from faces.files import write_atomically
from faces.storage.documents import DamagedError
from train.engine.card import RunCard
from train.recipe.ending import is_finished
from train.recipe.request import REQUEST_FILE

METRICS_FILE: Final = "metrics.csv"
"""Its name in the folder of a run."""


def write_metrics(history: Sequence[Mapping[str, float]], folder: Path) -> None:
    """Write the rows of all epochs so far, atomically."""
    write_atomically(folder / METRICS_FILE, pd.DataFrame(history).to_csv(index=False).encode())


def read_metrics(folder: Path, *columns: str) -> pd.DataFrame:
    """The rows of all epochs so far.

    Args:
        folder: of the run.
        columns: that must be there, beside epoch.

    Raises:
        ValueError: no such file, or one that was edited or damaged so far that it can be seen.
    """
    path, cure = folder / METRICS_FILE, "the same training writes it again"
    if not path.is_file():
        raise DamagedError(f"{path}: no such file; {cure}")
    try:
        table = pd.read_csv(path, float_precision="round_trip")  # of which the epoch kept follows
    except (ValueError, pd.errors.ParserError) as error:
        told = next(iter(str(error).splitlines()), "")
        raise DamagedError(f"{path}: not readable as CSV ({told}); {cure}") from error
    if missing := [name for name in ("epoch", *columns) if name not in table]:
        raise DamagedError(f"{path}: no column {missing[0]!r}; {cure}")
    if wrong := [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]:
        raise DamagedError(f"{path}: column {wrong[0]!r} holds other values than numbers; {cure}")
    if [*table["epoch"]] != [*np.arange(len(table))] or not len(table):
        raise DamagedError(f"{path}: its rows are not those of the epochs from 0 on; {cure}")
    return table


def rows_of(history: pd.DataFrame) -> list[dict[str, float]]:
    """The rows of a table of `read_metrics`, as training has them."""
    return [{str(name): float(value) for name, value in row.items()} for row in history.to_dict("records")]


def best_less_last(histories: Sequence[pd.DataFrame]) -> float:
    """How much the best epochs' macro F1 is above the last ones': what a choice of each fold's epoch by the
    scores that it is then given adds to them.

    Args:
        histories: metrics.csv of each fold.

    Returns:
        The mean over folds; NaN where nobody was scored.
    """
    scores = [history["macro_f1"] for history in histories if "macro_f1" in history]
    gaps = [each.max() - each.iloc[-1] for each in scores if each.notna().any()]
    return float(np.mean(gaps)) if gaps else float("nan")


def half_done(folder: Path, card: RunCard) -> str:
    """How far a training got that is not at its end, such as `1 of 3 epochs`.

    Args:
        folder: of the run.
        card: of its weights.

    Returns:
        "" of a finished one, and of weights that were copied alone, of which nobody can tell.
    """
    recipe = card.recipe
    told = any((folder / name).is_file() for name in (METRICS_FILE, REQUEST_FILE))
    if not told or card.epoch + 1 == recipe.epochs:
        return ""
    try:
        history = rows_of(read_metrics(folder))
    except DamagedError as error:
        return f"maybe: {str(error).rpartition(';')[0]}"
    # Weights are kept right before their epoch is counted.
    done = max(len(history), card.epoch + 1)
    return "" if is_finished(recipe, history) else f"{done} of {recipe.epochs} epochs"
