"""Sweep files: a recipe, the fields of it that are searched, and how."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faces.command import from_table, load_toml, nearest, to_table
from faces.typed import convert
from pipeline.augment import policy_named
from train.recipe.recipe import Recipe
from train.sweep.fields import FIELDS, Choices, Span, read_field

_MOST_COMBINATIONS = 2**16


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The settings of a sweep file but its fields."""

    recipe: Path
    """Recipe file whose other fields all trials keep."""
    about: str = ""
    """One line on what is searched."""
    trials: int = 20
    """How many, pruned and failed ones counted; may be raised later."""
    folds: tuple[int, ...] = (0, 1)
    """Folds trained for each trial, in this order; the mean macro F1 of the epochs they keep is its score."""
    seed: int = 0
    """Seed of the search; the recipe has its own."""

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"trials={self.trials}: must be at least 1")
        if not self.folds or len(set(self.folds)) < len(self.folds) or min(self.folds) < 0:
            raise ValueError(f"folds={list(self.folds)}: name at least one, each once, from 0")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A sweep file."""

    plan: Plan
    fields: Mapping[str, Span | Choices]
    """By dotted name (`optimiser.lr`), in the order of the names."""

    def recipe(self, base: Recipe, chosen: Mapping[str, Any]) -> Recipe:
        """The recipe of a trial: `base` with what the trial chose of each field."""
        return with_values(base, {name: field.value(chosen[name]) for name, field in self.fields.items()})


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file; whether its values fit the recipe is left to `check_sweep`.

    Raises:
        ValueError: not TOML, an unknown key or field (the nearest known one is named), or a field that has
            neither or both of a span and choices.
    """
    table = load_toml(path)
    known = [*(field.name for field in dataclasses.fields(Plan)), FIELDS]
    for key in table:
        if key not in known:
            raise ValueError(f"{path}: unknown setting {key!r}: {nearest(key, known)}")
    fields = table.pop(FIELDS, None)
    if not isinstance(fields, dict) or not fields:
        raise ValueError(f'{path}: nothing to search; add a table such as [{FIELDS}."optimiser.lr"]')
    if "recipe" not in table:
        raise ValueError(f'{path}: names no recipe; add recipe = "recipes/....toml"')
    parsed = {name: read_field(name, fields[name], path) for name in sorted(fields)}
    return Sweep(plan=from_table(Plan, table, path), fields=parsed)


def check_sweep(sweep: Sweep, recipe: Recipe, fits: Callable[[Recipe], object], path: Path) -> None:
    """Refuse values that a recipe refuses, or that do not fit the photos, before anything is trained.

    Every combination of choices and ends of spans is tried, since some values exclude each other.

    Args:
        sweep: the file's.
        recipe: what all trials start from.
        fits: raises a ValueError where a recipe does not fit the photos that it is to train on.
        path: the sweep file, named in errors.

    Raises:
        ValueError: the first that is refused, with the recipe's own reason; or too many combinations to try.
    """
    values = [field.checked for field in sweep.fields.values()]
    count = math.prod(map(len, values))
    if count > _MOST_COMBINATIONS:
        raise ValueError(
            f"{path}: its fields have {count:,} combinations of choices and ends, more than the "
            f"{_MOST_COMBINATIONS:,} that can be checked; search fewer fields at a time"
        )
    for combination in itertools.product(*values):
        chosen = dict(zip(sweep.fields, combination, strict=True))
        try:
            fits(with_values(recipe, chosen))
        except ValueError as error:
            text = ", ".join(f"{name}={value!r}" for name, value in chosen.items())
            raise ValueError(f"{path}: a trial could have {text}, which no recipe may: {error}") from error


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """A recipe with other values of some fields, by dotted name; a named augmentation whose fields are among
    them becomes one of the recipe's own.

    Raises:
        ValueError: a value of another type than the field's, or a recipe may not have them together.
    """
    table = to_table(recipe)
    for name, value in sorted(values.items()):  # a policy's name before its fields
        inner, _, key = name.rpartition(".")
        if inner and isinstance(table[inner], str):
            table[inner] = to_table(policy_named(table[inner]))
        (table[inner] if inner else table)[key] = value
    return convert(Recipe, table)
