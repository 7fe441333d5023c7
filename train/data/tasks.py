"""A recipe made to fit the photos that it is to train on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from faces.cache.reader import Cache
from faces.labels import UNKNOWN
from train.recipe.data import Age
from train.recipe.fit import check_fit
from train.recipe.recipe import ALL, Recipe

AGE: Final = "age"
"""Name of the factor that the table [age] of a recipe for any labels is meant for."""


def fit_to_cache(recipe: Recipe, cache: Cache, source: Path | str) -> Recipe:
    """The recipe with its tasks by name: `["*"]` becomes a head for each factor labelled in the cache.

    Such a recipe is for any labels; where no age is among them, its table [age] is left out. Another number
    may be of any unit, which no setting of years fits.

    Args:
        recipe: as read.
        cache: that it is to train on.
        source: the recipe's file, named in errors.

    Raises:
        ValueError: as `check_fit`, or no factor has labels of two values.
    """
    try:
        if recipe.tasks == (ALL,):
            tasks = labelled_factors(cache)
            recipe = replace(recipe, tasks=tasks, age=recipe.age if AGE in tasks else Age())
        check_fit(recipe, cache.label_set)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    return recipe


def labelled_factors(cache: Cache) -> tuple[str, ...]:
    """The factors of which a cache's photos have at least two values.

    Raises:
        ValueError: there is none.
    """
    names = cache.label_set.names
    values = {name: len({*np.unique(cache.labels(name))} - {UNKNOWN}) for name in names}
    found = tuple(name for name in names if values[name] > 1)
    if not found:
        counted = ", ".join(
            f"{name} ({values[name] or 'no'} value{'s' * (not values[name])})" for name in names
        )
        raise ValueError(
            f"tasks=['*']: no factor of {cache.folder} has labels of two values or more: {counted}; label "
            "the photos by folders or by a table (docs/own-labels.md) and preprocess them again"
        )
    return found
