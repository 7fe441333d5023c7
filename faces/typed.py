"""Plain tables as dataclasses with every value's type kept: "5" is no number, and 123 no text."""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

_EXPECTED: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    Path: "text",
    Any: "a value",
}
_KINDS: Mapping[type, str] = {
    bool: "a boolean",
    int: "a whole number",
    float: "a decimal number",
    str: "text",
    list: "a list",
    dict: "a table",
    datetime.date: "a date",
    datetime.time: "a time",
}
_SEVERAL: Mapping[Any, str] = {int: "whole numbers", float: "numbers", str: "texts"}
_WITHOUT_QUOTES: Mapping[Any, tuple[type, ...]] = {int: (int,), float: (int, float), bool: (bool,)}
_MOST_SHOWN = 80
"""Characters of a value in a message."""


def convert(kind: type[T], table: Mapping[str, Any]) -> T:
    """A dataclass of the values of a TOML or JSON table.

    Lists become tuples, texts paths, and whole numbers floats where the fields are such; nothing else is
    converted.

    Args:
        kind: a dataclass; its fields are bool, int, float, str, Path, Literal, tuples and mappings of these,
            dataclasses, and unions of these.
        table: its keys are fields; see `faces.command.check_keys`.

    Raises:
        ValueError: a value of another type or a missing one, by its dotted key, with what is expected and the
            cure; or what a `__post_init__` refuses.
    """
    from pydantic import ValidationError  # a command that reads no file need not wait for it

    # JSON's rules are the strict ones that still know a tuple from its list, and a path from its text. What
    # JSON has no word for is a date, here a table that no field takes.
    text = json.dumps(table, default=lambda date: {"date": str(date)})
    try:
        found: T = _adapter(cast(Any, kind)).validate_json(text, strict=True)
        return found
    except ValidationError as error:
        raise ValueError(_complaint(kind, table, error.errors())) from error


def tables_in(hint: Any) -> tuple[type, ...]:
    """The dataclasses that a field of this type may hold."""
    return tuple(member for member in _members(hint) if isinstance(member, type) and is_dataclass(member))


def is_open(hint: Any) -> bool:
    """Whether a field of this type takes tables of any keys."""
    return hint is Any or get_origin(hint) is Mapping


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _complaint(kind: type, table: Mapping[str, Any], errors: Sequence[ErrorDetails]) -> str:
    """One line on the first mistake; where a field is a union, on the member that the value comes nearest."""
    same = [error for error in errors if error["loc"][:1] == errors[0]["loc"][:1]]
    error = max(same, key=lambda error: (len(error["loc"]), error["type"] == "value_error"))
    place, missing = error["loc"], error["type"] == "missing"
    if missing and isinstance(place[-1], int):  # the list is too short
        place, missing = place[:-1], False
    name, hint, value = _find(kind, table, place)
    if missing:
        return f"{name} is missing; expected {_expected(hint)}"
    if error["type"] == "value_error":
        reason = str(error["ctx"]["error"])
        return reason if reason.startswith(name) else f"{name}: {reason}"
    shown = json.dumps(value, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."
    kind_of = "unknown" if error["type"] == "literal_error" and isinstance(value, str) else _kind(value)
    return f"{name}: {shown} is {kind_of}, expected {_expected(hint)}{_cure(value, hint)}"


def _find(kind: type, table: Mapping[str, Any], place: Sequence[int | str]) -> tuple[str, Any, Any]:
    """The dotted name, the type and the value of a place, None where it has none."""
    name, hint, value = "", kind, cast(Any, table)
    steps = list(place)
    while steps:
        members = _members(hint)
        if len(members) > 1:
            tag = steps.pop(0)  # the member of the union that was tried
            if not steps:
                break
            hint = next(member for member in members if getattr(member, "__name__", "") == tag)
            continue
        hint, step = members[0], steps.pop(0)
        if isinstance(step, int):
            name, inner = f"{name}[{step}]", get_args(hint)
            hint, value = inner[0] if inner[-1] is ... else inner[step], value[step]
        else:
            name = f"{name}.{step}" if name else step
            hint = get_type_hints(hint)[step] if is_dataclass(hint) else get_args(hint)[1]
            value = value.get(step)
    members = _members(hint)
    return name, members[0] if len(members) == 1 else hint, value


def _members(hint: Any) -> tuple[Any, ...]:
    """The types of a union but None, or the one type that is none."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(member for member in get_args(hint) if member is not NoneType)
    return (hint,)


def _expected(hint: Any) -> str:
    members, origin, inner = _members(hint), get_origin(hint), get_args(hint)
    if len(members) > 1:
        return " or ".join(map(_expected, members))
    if origin is Literal:
        *others, last = map(str, inner)
        return f"{', '.join(others)} or {last}" if others else last
    if origin is tuple:
        count = "" if inner[-1] is ... else f"{len(inner)} "
        return f"a list of {count}{_SEVERAL.get(inner[0], 'values')}"
    return _EXPECTED.get(hint, "a table")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return next((text for kind, text in _KINDS.items() if isinstance(value, kind)), "no value")


def _cure(value: Any, hint: Any) -> str:
    """How the value would be written as what is expected, where that can be guessed."""
    if isinstance(value, str) and hint in _WITHOUT_QUOTES:
        with suppress(ValueError):
            return "; leave out the quotes" if type(json.loads(value)) in _WITHOUT_QUOTES[hint] else ""
    if hint in (str, Path) and isinstance(value, int | float):
        return "; put it in quotes"
    if hint is int and isinstance(value, float) and value.is_integer():
        return f"; write {int(value)}"
    if get_origin(hint) is tuple and not isinstance(value, list | dict):
        return "; put it in brackets"
    return ""
