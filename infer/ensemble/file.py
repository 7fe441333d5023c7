"""Ensemble files: TOML to a tree and back, every mistake named with its file and place."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from faces.command import from_table, load_toml
from faces.files import write_atomically
from infer.ensemble.tree import Compose, Ensemble, Leaf, Node, Override, Rule, Vote
from infer.predict.views import ViewsRule

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What a file has beside its tree."""

    about: str = ""
    views: tuple[str, ...] = Ensemble.views
    views_rule: ViewsRule = Ensemble.views_rule
    task: str = Ensemble.task


@dataclass(frozen=True, kw_only=True)
class _VoteTable:
    vote: tuple[Any, ...]
    rule: Rule = Vote.rule
    weights: tuple[float, ...] = Vote.weights
    temperature: float = Vote.temperature
    adjust: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _ComposeTable:
    compose: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class _OverrideFields:
    base: Any
    by: Any
    task: str
    category: str
    above: float
    otherwise: str = Override.otherwise
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _OverrideTable:
    override: _OverrideFields


@dataclass(frozen=True, kw_only=True)
class _IncludeTable:
    ensemble: str


_TABLES: Mapping[str, type] = {
    "vote": _VoteTable,
    "compose": _ComposeTable,
    "override": _OverrideTable,
    "ensemble": _IncludeTable,
}
_NEEDED = ("base", "by", "task", "category", "above")
_DEEPEST = 8
"""How many files may lead from one to the next by `ensemble`."""
_MOST_FILES = 1000
"""How often files may be included in all; where each includes ten, their number grows tenfold each time."""


@dataclass(frozen=True)
class _Way:
    """How a file was come to."""

    names: tuple[str, ...]
    """The files on the way to it, itself last."""
    files: Iterator[int]
    """Counts all that are included anywhere."""


def read_ensemble(path: Path) -> Ensemble:
    """Read an ensemble file.

    A node is a recipe's name, or a table with one of the keys `vote` (list of nodes, beside it rule, weights,
    temperature, adjust), `compose` (table from task to node), `override` (table with base, by, task,
    category, above, where), or `ensemble` (the tree of another file beside this one, by its name). The file
    is itself such a table, with `about`, `views` and `task`. Which tasks, factors and categories there are is
    not looked at: the labels of its runs say that.

    Args:
        path: the file.

    Raises:
        ValueError: not TOML, an unknown key, or a value that does not fit; file and place are named.
    """
    head, root = _read_parts(path, _Way((path.stem,), itertools.count(1)))
    return _checked(
        str(path),
        lambda: Ensemble(
            name=path.stem,
            about=head.about,
            views=head.views,
            views_rule=head.views_rule,
            task=head.task,
            root=root,
        ),
    )


def _read_parts(path: Path, seen: _Way) -> tuple[_Head, Node]:
    """What a file has beside its tree, and the tree; `seen` is the way to it."""
    table = load_toml(path)
    keys = ("about", "views", "views_rule", "task")
    head: dict[str, Any] = {key: table.pop(key) for key in keys if key in table}
    return from_table(_Head, head, path), _node(table, str(path), path, seen)


def _node(value: Any, source: str, path: Path, seen: _Way) -> Node:
    """The node that a value of the file stands for; `source` is the file and the value's place in it."""
    if isinstance(value, str):
        return _checked(source, lambda: Leaf(value))
    if not isinstance(value, dict):
        raise ValueError(f"{source}: {value!r}: a member is a recipe's name or a table")
    kinds = [kind for kind in _TABLES if kind in value]
    if len(kinds) != 1:
        keys = ", ".join(value) or "none"
        raise ValueError(f"{source}: a table with keys {keys}: it needs just one of {', '.join(_TABLES)}")
    [kind] = kinds
    inner = value[kind]
    if kind == "override" and isinstance(inner, dict) and not {*_NEEDED} <= {*inner}:
        missing = ", ".join(key for key in _NEEDED if key not in inner)
        raise ValueError(f"{source}: override lacks {missing}")
    table: Any = from_table(_TABLES[kind], value, source)
    if kind == "vote":
        return _vote(table, source, path, seen)
    if kind == "override":
        return _override(table.override, source, path, seen)
    if kind == "ensemble":
        return _included(table.ensemble, source, path, seen)
    parts = tuple(
        (task, _node(part, f"{source}: compose.{task}", path, seen)) for task, part in table.compose.items()
    )
    return _checked(source, lambda: Compose(parts=parts))


def _included(name: str, source: str, path: Path, seen: _Way) -> Node:
    if name in seen.names:
        way = " -> ".join((*seen.names, name))
        raise ValueError(f"{source}: ensemble={name!r}: goes round in a circle: {way}")
    if not name.isprintable() or Path(name).name != name:
        raise ValueError(f"{source}: ensemble={name!r}: no name of a file beside this one")
    if next(seen.files) > _MOST_FILES:
        raise ValueError(f"{source}: ensemble={name!r}: files are included more than {_MOST_FILES:,} times")
    if len(seen.names) > _DEEPEST:
        raise ValueError(f"{source}: ensemble={name!r}: files that include files more than {_DEEPEST} deep")
    _, root = _read_parts(path.with_name(f"{name}.toml"), replace(seen, names=(*seen.names, name)))
    return root


def _vote(table: _VoteTable, source: str, path: Path, seen: _Way) -> Vote:
    members = tuple(
        _node(member, f"{source}: vote[{number}]", path, seen) for number, member in enumerate(table.vote)
    )
    return _checked(
        source,
        lambda: Vote(
            members=members,
            rule=table.rule,
            weights=table.weights,
            temperature=table.temperature,
            adjust=tuple((factor, tuple(values.items())) for factor, values in table.adjust.items()),
        ),
    )


def _override(fields: _OverrideFields, source: str, path: Path, seen: _Way) -> Override:
    base = _node(fields.base, f"{source}: override.base", path, seen)
    by = _node(fields.by, f"{source}: override.by", path, seen)
    return _checked(
        source,
        lambda: Override(
            base=base,
            by=by,
            task=fields.task,
            category=fields.category,
            above=fields.above,
            otherwise=fields.otherwise,
            where=tuple(fields.where.items()),
        ),
    )


def _checked(source: str, make: Callable[[], T]) -> T:
    """What is made, or its reason to refuse to be with the place in front."""
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


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
            if node.adjust:
                table["adjust"] = {factor: dict(values) for factor, values in node.adjust}
            return table
        case Compose():
            return {"compose": {task: node_table(part) for task, part in node.parts}}
        case Override():
            inner = {"base": node_table(node.base), "by": node_table(node.by), "task": node.task}
            inner |= {"category": node.category, "above": node.above}
            if node.otherwise:
                inner["otherwise"] = node.otherwise
            if node.where:
                inner["where"] = {factor: list(values) for factor, values in node.where}
            return {"override": inner}


def ensemble_table(ensemble: Ensemble) -> dict[str, Any]:
    """An ensemble as a TOML and JSON table, included files written out."""
    root = node_table(ensemble.root)
    root = {"vote": [root]} if isinstance(root, str) else root
    more: dict[str, Any] = (
        {"views_rule": ensemble.views_rule} if ensemble.views_rule != Ensemble.views_rule else {}
    )
    more |= {"task": ensemble.task} if ensemble.task else {}
    return {"about": ensemble.about, "views": list(ensemble.views), **more, **root}


def write_ensemble(ensemble: Ensemble, path: Path) -> None:
    """Write an ensemble so that `read_ensemble` gives it back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, tomli_w.dumps(ensemble_table(ensemble)).encode())
