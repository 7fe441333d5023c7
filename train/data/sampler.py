"""From a recipe's `[sampler]` to the sampler of a fold's training rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.reader import Cache
from faces.foreign.paths import check_once
from faces.foreign.persons import person_key
from faces.foreign.photos import row_names
from faces.foreign.table import match_column, read_table
from faces.labels import UNKNOWN, IntArray
from pipeline.balanced import person_balanced, undersampled
from pipeline.order import Sampler
from pipeline.samplers import Shuffled, Weighted, class_weights
from train.recipe.data import Sampling
from train.recipe.recipe import Recipe

NAMES = ("key", "source", "person")
"""Columns of index.parquet by which a table of weights may name photos."""


def fold_sampler(recipe: Recipe, cache: Cache, rows: IntArray, notes: list[str] | None = None) -> Sampler:
    """The recipe's sampler; classes are counted among these rows alone.

    Args:
        recipe: whose `sampler` is meant.
        cache: with labels.
        rows: [n] training rows of a fold.
        notes: gets sentences on what was found out about a table of weights.

    Returns:
        A sampler of places in `rows`.

    Raises:
        ValueError: the task has no labels among the rows, or custom weights are missing or no weights.
    """
    wanted = recipe.sampler
    if wanted.name == "shuffle":
        return Shuffled(len(rows))
    if wanted.name == "person_balanced":
        return person_balanced(cache.columns("person")["person"].to_numpy()[rows])
    if wanted.name == "custom":
        return Weighted(custom_weights(wanted, cache, rows, notes))
    task = wanted.task or recipe.tasks[0]
    classes = cache.labels(task)[rows]
    if (classes == UNKNOWN).all():
        raise ValueError(
            f"sampler.task={task!r}: none of the {len(rows)} training photos has a class in it; "
            "choose another task, or keep other rows"
        )
    if wanted.name == "undersample":
        return undersampled(classes)
    return Weighted(class_weights(classes, wanted.name, wanted.beta))


def custom_weights(
    sampling: Sampling, cache: Cache, rows: IntArray, notes: list[str] | None = None
) -> NDArray[np.float64]:
    """The user's weights of these rows.

    Args:
        sampling: of name custom.
        cache: whose index has the weights, or names the photos that the table has weights of.
        rows: [n] rows of the cache.
        notes: gets sentences on what was found out about the table.

    Returns:
        [n] float64, finite and 0 or more, not all 0.

    Raises:
        ValueError: no such table or column, a photo without a weight, or a weight that is none.
    """
    known = cache.index.iloc[rows]
    if sampling.table:
        path = Path(sampling.table)
        table, name = _read(path, sampling.column, [] if notes is None else notes)
        means = person_key if name == "person" else str
        weights = known[name].map(lambda who: table.get(means(who), ""))
    else:
        path, name = cache.folder / "index.parquet", "key"
        if sampling.column not in known:
            raise ValueError(
                f"{path}: no column {sampling.column!r}: name a numeric one in sampler.column, "
                "or give a table of weights as sampler.table"
            )
        weights = known[sampling.column]
    values = pd.to_numeric(weights, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    broken = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(broken):
        raise ValueError(
            f"{path}: {len(broken)} of the {len(rows)} training photos have no weight in column "
            f"{sampling.column!r}, or none that is finite and 0 or more, first {name} "
            f"{known[name].iloc[broken[0]]!r} ({weights.iloc[broken[0]]!r}): give each a weight, 0 to leave "
            "it out"
        )
    if not values.any():
        raise ValueError(
            f"{path}: the weights of all {len(rows)} training photos in column {sampling.column!r} are 0: "
            "give at least one more than 0"
        )
    return values


def _read(path: Path, column: str, notes: list[str]) -> tuple[dict[str, str], str]:
    """Weights as text by what names a photo, and the index's column of such names."""
    if not path.is_file():
        raise ValueError(f"sampler.table={str(path)!r}: no such file; write one with a column {column!r}")
    table = read_table(path, (), notes)
    there = {name: found for name in NAMES if (found := match_column(name, table.columns, path))}
    weights = match_column(column, table.columns, path)
    if not there or weights is None:
        raise ValueError(
            f"{path}: columns {', '.join(table.columns)}; needed are {column!r} and one of {', '.join(NAMES)}"
        )
    name, called = next(iter(there.items()))
    names = row_names(table, called, path)
    if name == "person":
        check_once(names, path, person_key)
        names = names.map(person_key)
    return dict(zip(names, table[weights], strict=True)), name
