"""Where numbers end in a "so much or more", for `age.clipped_at` "auto" and "top"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from faces.cache.reader import Cache
from faces.labels import FloatArray, IntArray
from train.recipe.fit import number_meant
from train.recipe.recipe import Recipe

LEAST_AT_END: Final = 3
"""People at an edge below which nobody can tell a heap from chance."""
TIMES_USUAL: Final = 2
BELOW: Final = 5
"""Units below the edge whose people are the usual ones."""


def clipped_number(numbers: FloatArray, edges: Iterable[float]) -> float:
    """The edge of a band at which numbers end as if all beyond were recorded at it; 0 for none.

    It is the greatest number, one of the edges, and that of at least `LEAST_AT_END` people and of more than
    `TIMES_USUAL` times as many as are of a unit on average in the `BELOW` units below it.

    Args:
        numbers: [n] of each person, not NaN.
        edges: between the number's bands.
    """
    end = float(numbers.max(initial=0.0))
    if end not in edges:
        return 0.0
    there = int((numbers == end).sum())
    usual = int(((numbers >= end - BELOW) & (numbers < end)).sum()) / BELOW
    return end if there >= LEAST_AT_END and there > TIMES_USUAL * usual else 0.0


def with_end(recipe: Recipe, cache: Cache, training: IntArray) -> tuple[Recipe, str]:
    """The recipe with `age.clipped_at` as a number where it is auto or top, and a line on that.

    It follows from the arguments alone, so each fold has its own and finds it again. Nothing is looked for,
    and it is 0, where labels are not spread and no number is learned, since nothing would follow from it.

    Args:
        recipe: that fits the cache.
        cache: with labels.
        training: [n] rows that train, of which the first number that the recipe's tasks tell is meant.

    Returns:
        The recipe, and "" where it says a number itself or none was found.
    """
    if not isinstance(recipe.age.clipped_at, str):
        return recipe, ""
    end, line = 0.0, ""
    number = number_meant(recipe.tasks, cache.label_set)
    parts = [part for task in recipe.tasks for part in cache.label_set.task(task).parts]
    edges = {edge for part in parts if part.factor == number for edge in part.edges}
    if number is not None and edges and (recipe.age.sigma or recipe.age.coding == "regression"):
        photos = cache.columns("person", number.name).iloc[training].dropna()
        people = photos.drop_duplicates()[number.name].to_numpy(np.float64)
        if recipe.age.clipped_at == "top":
            end = max(edges)
            line = f'{number.name}: from {end:g} on taken as "{end:g} and over", the last band'
        elif end := clipped_number(people, {*edges, *number.edges}):
            line = (
                f"{number.name}: nobody above {end:g} and {(photos[number.name] == end).sum():,} photos at "
                f'{end:g}: taken as "{end:g} and over" (clipped_at = {end:g})'
            )
    return replace(recipe, age=replace(recipe.age, clipped_at=end)), line
