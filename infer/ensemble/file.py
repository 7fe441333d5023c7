"""Ensemble files: TOML to a tree and back, every mistake named with its file and place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from faces.command import load_toml, nearest
from faces.writer import write_atomically
from infer.ensemble.tree import Compose, Ensemble, Leaf, Node, Override, Vote

_KEYS = {
    "vote": ("vote", "rule", "weights", "temperature"),
    "compose": ("compose",),
    "override": ("override",),
    "ensemble": ("ensemble",),
}
_OVERRIDE = ("base", "by", "task", "category", "above", "where")


def read_ensemble(path: Path) -> Ensemble:
    """Read an ensemble file.

    A node is a recipe's name, or a table with one of the keys `vote` (list of nodes, beside it rule, weights,
    temperature), `compose` (table from task to node), `override` (table with base, by, task, category, above,
    where), or `ensemble` (the tree of another file beside this one, by its name). The file is itself such a
    table, with `about` and `views`.

    Raises:
        ValueError: not TOML, an unknown key, or a value that does not fit; file and place are named.
    """
    table = load_toml(path)
    about, views = table.pop("about", ""), table.pop("views", ["original", "flip"])
    try:
        if not isinstance(about, str) or not isinstance(views, list):
            raise ValueError("about is a text, views a list of names")
        return Ensemble(
            name=path.stem, about=about, views=tuple(map(str, views)), root=_node(table, path, (path.stem,))
        )
    except ValueError as error:
        told = str(error)
        raise ValueError(told if told.startswith(str(path.parent)) else f"{path}: {told}") from error


def _node(value: Any, path: Path, seen: tuple[str, ...]) -> Node:
    if isinstance(value, str):
        return Leaf(value)
    if not isinstance(value, dict):
        raise ValueError(f"{value!r}: a member is a recipe's name or a table")
    kinds = [kind for kind in _KEYS if kind in value]
    if len(kinds) != 1:
        raise ValueError(
            f"a table with keys {', '.join(value) or 'none'}: it needs just one of {', '.join(_KEYS)}"
        )
    [kind] = kinds
    for key in value:
        if key not in _KEYS[kind]:
            raise ValueError(f"unknown key {key!r} beside {kind}: {nearest(key, _KEYS[kind])}")
    if kind == "ensemble":
        return _included(value["ensemble"], path, seen)
    if kind == "vote":
        return _vote(value, path, seen)
    inner = value[kind]
    if not isinstance(inner, dict):
        raise ValueError(f"{kind}={inner!r}: is a table")
    if kind == "compose":
        return Compose(parts=tuple((task, _node(part, path, seen)) for task, part in inner.items()))
    return _override(inner, path, seen)


def _included(name: Any, path: Path, seen: tuple[str, ...]) -> Node:
    if name in seen:
        raise ValueError(f"ensemble={name!r}: goes round in a circle: {' -> '.join((*seen, name))}")
    table = load_toml(path.with_name(f"{name}.toml"))
    table.pop("about", None)
    table.pop("views", None)
    return _node(table, path, (*seen, str(name)))


def _vote(value: Mapping[str, Any], path: Path, seen: tuple[str, ...]) -> Vote:
    if not isinstance(value["vote"], list):
        raise ValueError(f"vote={value['vote']!r}: is a list of members")
    weights = value.get("weights", [])
    numbers = [*weights, value.get("temperature", 1.0)] if isinstance(weights, list) else [None]
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise ValueError(
            f"weights={weights!r}, temperature={value.get('temperature', 1.0)!r}: are a list of numbers, and "
            "a number"
        )
    return Vote(
        members=tuple(_node(member, path, seen) for member in value["vote"]),
        rule=value.get("rule", "soft"),
        weights=tuple(map(float, weights)),
        temperature=float(value.get("temperature", 1.0)),
    )


def _override(value: Mapping[str, Any], path: Path, seen: tuple[str, ...]) -> Override:
    for key in value:
        if key not in _OVERRIDE:
            raise ValueError(f"unknown key 'override.{key}': {nearest(key, _OVERRIDE)}")
    if missing := [key for key in _OVERRIDE[:-1] if key not in value]:
        raise ValueError(f"override lacks {', '.join(missing)}")
    where = value.get("where", {})
    if not isinstance(where, dict) or not all(isinstance(values, list) for values in where.values()):
        raise ValueError(f"override.where={where!r}: is a table from factor to a list of its values")
    if not isinstance(value["above"], int | float):
        raise ValueError(f"override.above={value['above']!r}: is a number")
    return Override(
        base=_node(value["base"], path, seen),
        by=_node(value["by"], path, seen),
        task=value["task"],
        category=value["category"],
        above=float(value["above"]),
        where=tuple((factor, tuple(values)) for factor, values in where.items()),
    )


def node_table(node: Node) -> Any:
    """A tree as `read_ensemble` reads it."""
    match node:
        case Leaf():
            return node.recipe
        case Vote():
            table: dict[str, Any] = {"vote": [node_table(member) for member in node.members]}
            table["rule"] = node.rule
            if node.weights:
                table["weights"] = list(node.weights)
            if node.temperature != 1:
                table["temperature"] = node.temperature
            return table
        case Compose():
            return {"compose": {task: node_table(part) for task, part in node.parts}}
        case Override():
            inner = {"base": node_table(node.base), "by": node_table(node.by), "task": node.task}
            inner |= {"category": node.category, "above": node.above}
            if node.where:
                inner["where"] = {factor: list(values) for factor, values in node.where}
            return {"override": inner}


def ensemble_table(ensemble: Ensemble) -> dict[str, Any]:
    """An ensemble as a TOML and JSON table, included files written out."""
    root = node_table(ensemble.root)
    root = {"vote": [root]} if isinstance(root, str) else root
    return {"about": ensemble.about, "views": list(ensemble.views), **root}


def write_ensemble(ensemble: Ensemble, path: Path) -> None:
    """Write an ensemble so that `read_ensemble` gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, tomli_w.dumps(ensemble_table(ensemble)).encode())
