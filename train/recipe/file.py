"""Recipe files: a recipe may stand on another one and say only what differs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faces.command import check_keys, from_table, load_toml, nearest_files, to_table
from pipeline.augment import policy_named
from train.recipe.recipe import Recipe

BASE = "base"
"""The key that names the file a recipe stands on, relative to the recipe's own folder; in the table
`[augment]`, the named policy that it changes."""
AUGMENT = "augment"


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    `base = "other.toml"` makes it that recipe with its own keys instead, tables merged key by key; a base may
    have a base. `about` is never inherited. With lr = 1e-3 and weight_decay = 0.05 in the base's [optimiser]
    and lr = 1e-4 in the file's, the recipe has lr = 1e-4 and weight_decay = 0.05.

    A table `[augment]` holds fields of an augmentation policy. The others are those of the policy that its
    own `base` names, or without one of the policy that the recipe would have without the table.

    Args:
        path: the TOML file.

    Raises:
        ValueError: as `read_toml`, naming the file in which the mistake stands; or a base that is missing or
            leads back to itself.
    """
    table: dict[str, Any] = {}
    stages = [(file, table := merge(table, own)) for file, own in recipe_layers(path)]
    try:
        return _from_stage(table, path)
    except ValueError:
        # A value that no recipe may have is reported of the base that has it.
        for file, stage in stages[:-1]:
            _from_stage(stage, file)
        raise


def recipe_layers(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The files a recipe consists of, its last base first and itself last, each with its own keys.

    Raises:
        ValueError: an unknown key, or a base that is missing or leads back to itself.
    """
    layers: list[tuple[Path, dict[str, Any]]] = []
    file = path
    while True:
        table = load_toml(file)
        if not table and not layers:
            raise ValueError(
                f"{file}: holds no setting; write one at least, such as its tasks, or copy a recipe"
            )
        check_keys(Recipe, table, file, also=(BASE, f"{AUGMENT}.{BASE}"))
        base = table.pop(BASE, None)
        layers.insert(0, (file, table))
        if base is None:
            return layers
        file = _base_of(file, base, [known for known, _ in layers])


def merge(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `own` instead; of tables that both have, the same; without base's `about`.

    `augment = "strong"` counts as the table `[augment]` with `base = "strong"`; a table with a base of its
    own begins anew.
    """
    merged = {key: value for key, value in base.items() if key != "about"}
    for key, value in own.items():
        before = merged.get(key)
        if key == AUGMENT and isinstance(value, dict):
            before = {} if BASE in value else {BASE: before} if isinstance(before, str) else before
        if isinstance(value, dict) and isinstance(before, dict):
            value = merge(before, value)
        merged[key] = value
    return merged


def _from_stage(table: Mapping[str, Any], file: Path) -> Recipe:
    """The recipe of a table, with the fields of `[augment]` that it leaves out taken from that table's base.

    Raises:
        ValueError: as `from_table`, or no such base.
    """
    if not isinstance(table.get(AUGMENT), dict):
        return from_table(Recipe, table, file)
    own = dict(table[AUGMENT])
    try:
        policy = policy_named(str(own.pop(BASE, Recipe.augment)))
    except ValueError as error:
        raise ValueError(f"{file}: {AUGMENT}.{BASE}: {error}") from error
    return from_table(Recipe, {**table, AUGMENT: to_table(policy) | own}, file)


def _base_of(file: Path, base: object, seen: list[Path]) -> Path:
    """The file that `base` names, not one of those seen, which come from `file` on."""
    if not isinstance(base, str) or not base:
        raise ValueError(f'{file}: base={base!r}: name one recipe file beside it, base = "other.toml"')
    found = Path(os.path.normpath(file.parent / base))
    if found.suffix != ".toml":  # nor is what another file holds told in an error
        raise ValueError(f"{file}: base={base!r}: no recipe file, which ends in .toml; name one beside it")
    if not found.is_file():
        raise ValueError(f"{file}: base={base!r}: {found}: no such file; {nearest_files(found)}")
    if any(found.samefile(known) for known in seen):
        way = " -> ".join(known.name for known in [*reversed(seen), found])
        raise ValueError(f"{file}: base={base!r} leads back to itself: {way}; leave one base out")
    return found
