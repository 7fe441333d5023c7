"""What recipes meant before a default was changed: runs keep what they were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MEANT: Final[Mapping[str, Any]] = {"keep": "best"}
"""Fields of which a run of before is silent, with their value there: left out now, they mean another."""


def as_meant(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The table of a recipe in a file of a run, with what it meant when it was written. Recipes that people
    write are not read so."""
    return {**MEANT, **recipe}


def with_meant(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of a file of a run, its `recipe`, where there is one, as it was meant."""
    return {
        key: as_meant(value) if key == "recipe" and isinstance(value, dict) else value
        for key, value in table.items()
    }


def is_before(recipe: object) -> bool:
    """Whether the table of a recipe in a file of a run was written before one of these defaults changed."""
    return isinstance(recipe, dict) and not MEANT.keys() <= recipe.keys()
