"""When the training of a recipe is at its end, and which of its epochs is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from train.recipe.recipe import Recipe

Row = TypeVar("Row", bound=Mapping[str, float])
VALIDATION_LOSS = "validation_loss"
"""Column of metrics.csv: the mean of the recipe's objective over the photos that validate."""


def best_row(recipe: Recipe, history: Sequence[Row]) -> Row:
    """The epoch of the highest validation macro F1, or of the lowest validation loss, as `best_by` says; the
    earliest of equals; the last where nobody validates.

    Args:
        recipe: that is trained.
        history: rows of metrics.csv, at least one.
    """
    if recipe.best_by == "loss":
        return min(history, key=lambda row: row.get(VALIDATION_LOSS, -row["epoch"]))
    return max(history, key=lambda row: row.get("macro_f1", row["epoch"]))


def kept_row(recipe: Recipe, history: Sequence[Row]) -> Row:
    """The epoch whose weights the run has: the last so far, or with keep = "best" the best so far."""
    return best_row(recipe, history) if recipe.keep == "best" else history[-1]


def epochs_kept(recipe: Recipe) -> str:
    """In words, which epochs runs of the recipe keep."""
    if recipe.keep == "last":
        return "last epochs"
    return f"best epochs by validation {'loss' if recipe.best_by == 'loss' else 'macro F1'}"


def is_finished(recipe: Recipe, history: Sequence[Mapping[str, float]]) -> bool:
    """Whether all epochs are done, or the best has not been beaten for as long as the recipe waits.

    Args:
        recipe: that is trained.
        history: rows of metrics.csv so far.
    """
    if len(history) >= recipe.epochs:
        return True
    waited = len(history) - 1 - best_row(recipe, history)["epoch"] if history else 0
    return bool(recipe.stop_after) and waited >= recipe.stop_after
