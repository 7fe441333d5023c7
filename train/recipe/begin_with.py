"""Which recipe's runs another recipe begins with."""

from __future__ import annotations

from pathlib import Path

from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe

_CURE = "name a recipe file beside it without .toml, or leave begin_with out"


def beginning_of(recipe: Recipe, path: Path) -> Path | None:
    """The file of the recipe whose runs are begun with; None of one that begins by itself.

    Args:
        recipe: as read.
        path: its file.

    Raises:
        ValueError: there is no such recipe, it has another backbone, or begins with others itself.
    """
    name = recipe.begin_with
    if not name:
        return None
    found = path.parent / f"{name}.toml"
    if Path(name).name != name or not found.is_file():
        raise ValueError(f"{path}: begin_with={name!r}: no recipe {found}; {_CURE}")
    first = read_recipe(found)
    if first.begin_with:
        raise ValueError(
            f"{path}: begin_with={name!r}: which itself has begin_with={first.begin_with!r}; begin with a "
            "recipe that begins by itself"
        )
    if first.backbone != recipe.backbone:
        raise ValueError(
            f"{path}: begin_with={name!r}: trains backbone {first.backbone!r}, this one {recipe.backbone!r}; "
            "name the same"
        )
    return found
