"""`python -m train.recipe.catalogue`: all recipes of a folder, what each trains and how it differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from faces.command import run_command
from train.recipe.file import AUGMENT, read_recipe, recipe_layers
from train.recipe.recipe import ALL

GROUPS = ("team_a", "team_b", "winner", "study")
"""Prefixes of the names of recipes that belong together."""
LEAST_WIDTH = 120
"""Characters of a line, where the output has no width of its own or a smaller one."""


@dataclass(frozen=True, kw_only=True)
class RecipesSettings:
    """List recipes: what each is, its tasks, its backbone at its input size, what differs from its base.

    A recipe that does not read is a red row with its mistake, and the exit status is 2.

    Example: make recipes
    """

    recipes: Path = Path("recipes")
    """Folder of recipe files."""


def group_of(name: str) -> str:
    """The prefix under which a recipe is listed; empty where it stands for itself."""
    return next((group for group in GROUPS if name.startswith(f"{group}_")), "")


def differences(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    """A recipe's own keys but `about`, as `optimiser.lr=0.0001`."""
    found: list[str] = []
    for key, value in table.items():
        if isinstance(value, dict):
            found += differences(value, f"{prefix}{key}.")
        elif key != "about":
            shown = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            found.append(f"{prefix}{key}={shown}")
    return found


def list_recipes(folder: Path) -> None:
    """Print the table of a folder's recipes.

    Raises:
        ValueError: no recipe, or one that does not read.
    """
    files = sorted(folder.glob("*.toml"), key=lambda file: (group_of(file.stem), file.stem))
    if not files:
        raise ValueError(f"{folder}: no recipe (.toml file) is there")
    table = Table(box=SIMPLE_HEAD)
    table.add_column("recipe", no_wrap=True)
    table.add_column("what it is; tasks, backbone@size; what it has instead of its base's")
    broken = []
    for _, members in groupby(files, key=lambda file: group_of(file.stem)):
        for file in members:
            try:
                shown = _describe(file)
            except ValueError as error:
                broken.append(file.name)
                shown = Text(f"error: {error}", "red")
            table.add_row(file.stem, shown)
        table.add_section()
    console = Console(markup=False)
    console.width = max(console.width, LEAST_WIDTH)
    console.print(table)
    if broken:
        raise ValueError(f"{len(broken)} of {len(files)} recipes do not read: {', '.join(broken)}")


def _describe(file: Path) -> Text:
    """A recipe's purpose on one line, and below it what it trains and changes."""
    recipe = read_recipe(file)
    *bases, (_, own) = recipe_layers(file)
    tasks = "every labelled factor" if recipe.tasks == (ALL,) else ", ".join(recipe.tasks)
    parts = [tasks, f"{recipe.backbone}@{recipe.image_size}"]
    if bases:
        parts.append(f"{bases[-1][0].stem} with {', '.join(differences(own)) or 'nothing else'}")
    elif isinstance(own.get(AUGMENT), dict):
        parts.append(", ".join(differences({AUGMENT: own[AUGMENT]})))
    return Text.assemble(recipe.about, "\n", ("; ".join(parts), "dim"))


def main() -> None:
    """The command line."""
    run_command(RecipesSettings, lambda settings: list_recipes(settings.recipes))


if __name__ == "__main__":
    main()
