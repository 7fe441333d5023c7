"""Label sets as text and as caches and runs keep them, and what differs between two."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faces.factors import Categories, Factor, Number
from faces.labelling.label_file import from_factors
from faces.labels import CONTEST, LabelSet


def factors_table(labels: LabelSet) -> dict[str, Any]:
    """The factors of a set as `from_factors` reads them."""
    return {factor.name: _plain(factor) for factor in labels.factors}


def labels_text(labels: LabelSet) -> str:
    """A set as the text of a label file."""
    lines, tables = [], []
    for name, value in factors_table(labels).items():
        if isinstance(value, dict):
            tables += ["", f"[{_key(name)}]", *(f"{key} = {_toml(each)}" for key, each in value.items())]
        else:
            lines.append(f"{_key(name)} = {_toml(value)}")
    return "\n".join([*lines, *tables]).lstrip("\n") + "\n"


def stored_labels(labels: LabelSet) -> dict[str, Any] | None:
    """What a cache or a run keeps of its set: nothing of the built-in one, which needs no telling."""
    if labels.factors == CONTEST.factors:
        return None
    return {"name": labels.name, "factors": factors_table(labels)}


def labels_stored(kept: Mapping[str, Any] | None, source: Path | str) -> LabelSet:
    """The set of which `stored_labels` is kept in a file.

    Raises:
        ValueError: the file is of another program's, or was edited.
    """
    if kept is None:
        return CONTEST
    name, factors = (kept.get(key) for key in ("name", "factors")) if isinstance(kept, Mapping) else (0, 0)
    if not (isinstance(name, str) and isinstance(factors, Mapping)):
        raise ValueError(
            f"{source}: its labels lack a name or factors, so it was edited or damaged; make it again"
        )
    return from_factors(name, factors, source)


def differences(here: LabelSet, there: LabelSet) -> list[str]:
    """What factors of two sets are not alike, in words; [] of equal sets."""
    found = []
    for name in dict.fromkeys((*here.names, *there.names)):
        sides = [next((f for f in labels.factors if f.name == name), None) for labels in (there, here)]
        if sides[0] != sides[1]:
            before, now = (describe(side) if side else "none" for side in sides)
            if before == now:
                before, now = (str(_plain(side)) if side else "none" for side in sides)
            found.append(f"{name}: {before} there, {now} here")
    return found or (["order of the factors"] if here.names != there.names else [])


def describe(factor: Factor) -> str:
    """A factor in a few words: its values, or its bands."""
    return ", ".join(factor.classes)


def _plain(factor: Factor) -> Any:
    """A factor as TOML and JSON know it."""
    if factor in CONTEST.factors:
        return CONTEST.name
    more = {
        key: getattr(factor, key)
        for key in ("per", "column")
        if getattr(factor, key) != getattr(Categories, key)
    }
    if isinstance(factor, Number):
        table: dict[str, Any] = {"edges": list(factor.edges)}
        if factor.unit:
            table["unit"] = factor.unit
        if (factor.least, factor.most) != (Number.least, Number.most):
            table["range"] = [factor.least, factor.most]
        return {**table, **more}
    categories = list(factor.categories)
    words = {name: list(each) for name, each in zip(categories, factor.words, strict=False) if each}
    if words:
        more["words"] = words
    if factor.unknown:
        more["unknown"] = list(factor.unknown)
    return {"categories": categories, **more} if more else categories


def _toml(value: Any) -> str:
    """A value in one line; texts, numbers and lists of them are written in TOML as in JSON."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_toml(key)} = {_toml(each)}' for key, each in value.items())} }}"
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    """A factor's name as TOML takes it: letters beyond a to z in quotes."""
    return name if name.isascii() else _toml(name)
