"""When the training of a recipe is at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from train.recipe.recipe import Recipe

Row = TypeVar("Row", bound=Mapping[str, float])


def best_row(history: Sequence[Row]) -> Row:
    """The epoch of the highest validation macro F1, the earliest of equals; the last where nobody validates.

    Args:
        history: rows of metrics.csv, at least one.
    """
    return max(history, key=lambda row: row.get("macro_f1", row["epoch"]))


def is_finished(recipe: Recipe, history: Sequence[Mapping[str, float]]) -> bool:
    """Whether all epochs are done, or the best has not been beaten for as long as the recipe waits.

    Args:
        recipe: that is trained.
        history: rows of metrics.csv so far.
    """
    if len(history) >= recipe.epochs:
        return True
    waited = len(history) - 1 - best_row(history)["epoch"] if history else 0
    return bool(recipe.stop_after) and waited >= recipe.stop_after
