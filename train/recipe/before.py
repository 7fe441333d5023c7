"""What recipes meant before a default was changed: runs keep what they were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from train.recipe.recipe import Recipe

MEANT: Final[Mapping[str, Any]] = {"keep": "best"}
"""Fields of which a run of before is silent, with their value there: left out now, they mean another."""
_NO_END: Final = 0.0
"""What `age.clipped_at` was then, left out."""


def as_meant(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a recipe in a file of a run, with what it meant when it was written. Recipes that people
    write are not read so."""
    age = recipe.get("age", {})
    return {**MEANT, **recipe, "age": {"clipped_at": _NO_END, **age} if isinstance(age, dict) else age}


def as_then(recipe: Recipe) -> Recipe:
    """A recipe with what its fields that are left out meant before."""
    age = replace(recipe.age, clipped_at=_NO_END) if recipe.age.clipped_at == "auto" else recipe.age
    return replace(recipe, **MEANT, age=age)


def with_meant(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of a file of a run, its `recipe`, where there is one, as it was meant."""
    return {
        key: as_meant(value) if key == "recipe" and isinstance(value, dict) else value
        for key, value in table.items()
    }


def is_before(recipe: object) -> bool:
    """Whether the table of a recipe in a file of a run was written before one of these defaults changed."""
    return isinstance(recipe, dict) and not MEANT.keys() <= recipe.keys()
