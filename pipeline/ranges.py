"""Fields of augmentation settings that know their range, and the checks of types and ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, fields
from typing import Any, get_args

from faces.command import nearest

Check = Callable[[str, Any], None]
"""Raises ValueError for a value (second) of the field of this name (first) that is out of range."""


def _checked(default: Any, check: Check) -> Any:
    return field(default=default, metadata={"check": check})


def up_to(limit: float = 1.0) -> Any:
    """A strength or probability that is off at its default 0, in 0 to `limit`."""

    def check(name: str, value: float) -> None:
        if not 0 <= value <= limit:
            raise ValueError(f"{name} must be in 0 (off) to {limit:g}, got {value}")

    return _checked(0.0, check)


def whole_number(default: int, *, least: int, greatest: int) -> Any:
    """A whole number from `least` to `greatest`."""

    def check(name: str, value: int) -> None:
        if not least <= value <= greatest:
            raise ValueError(f"{name} must be in {least} to {greatest}, got {value}")

    return _checked(default, check)


def number(default: float, *, least: float, greatest: float) -> Any:
    """A number from `least` to `greatest`."""

    def check(name: str, value: float) -> None:
        if not least <= value <= greatest:
            raise ValueError(f"{name} must be in {least:g} to {greatest:g}, got {value}")

    return _checked(default, check)


def one_of(default: str, choices: Any) -> Any:
    """One of the names of a `Literal`."""

    def check(name: str, value: str) -> None:
        if value not in get_args(choices):
            raise ValueError(f"{name}={value!r} is unknown: {nearest(value, list(get_args(choices)))}")

    return _checked(default, check)


def area(low: float, high: float) -> Any:
    """Least and greatest share of an image's area, 0 < low <= high <= 1."""

    def check(name: str, value: tuple[float, float]) -> None:
        if not 0 < value[0] <= value[1] <= 1:
            raise ValueError(f"{name} must be two fractions 0 < low <= high <= 1, got {value[0]}, {value[1]}")

    return _checked((low, high), check)


def aspect(low: float, high: float) -> Any:
    """Least and greatest width / height of a rectangle, 0 < low <= 1 <= high."""

    def check(name: str, value: tuple[float, float]) -> None:
        if not 0 < value[0] <= 1 <= value[1]:
            raise ValueError(f"{name} must span 1 (0 < low <= 1 <= high), got {value[0]}, {value[1]}")

    return _checked((low, high), check)


def span(low: float, high: float, *, least: float, greatest: float, unit: str) -> Any:
    """Two numbers in `least` to `greatest`, the smaller first."""

    def check(name: str, value: tuple[float, float]) -> None:
        if not least <= value[0] <= value[1] <= greatest:
            limits = f"{least:g} <= low <= high <= {greatest:g} {unit}"
            raise ValueError(f"{name} must be {limits}, got {value[0]}, {value[1]}")

    return _checked((low, high), check)


def check_ranges(settings: Any) -> None:
    """Check every field of a dataclass that was made by one of these functions.

    Raises:
        ValueError: a value is out of its range.
    """
    for checked in fields(settings):
        if "check" in checked.metadata:
            checked.metadata["check"](checked.name, getattr(settings, checked.name))
