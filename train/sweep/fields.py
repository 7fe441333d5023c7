"""The fields of a recipe that a sweep searches, and over which values."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from faces.command import from_table, nearest
from faces.typed import tables_in
from train.recipe.recipe import Recipe

if TYPE_CHECKING:
    from optuna import Trial

FIELDS = "fields"
"""The sweep file's table of them."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """Whether factors and not differences are equally likely."""
    step: float | None = None
    """Between two neighbouring values; None is any number, or every whole one."""
    whole: bool
    """Whether the field takes whole numbers."""

    @property
    def checked(self) -> tuple[Any, ...]:
        """Values with which a recipe must be valid for the search to begin."""
        return self.low, self.high

    def suggest(self, trial: Trial, name: str) -> None:
        """Let a trial choose."""
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            trial.suggest_int(name, int(self.low), int(self.high), step=step, log=self.log)
        else:
            trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    def value(self, chosen: Any) -> Any:
        """The recipe's value of what a trial chose."""
        return chosen


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Values of any kind a recipe takes, lists too."""

    values: tuple[Any, ...]

    @property
    def checked(self) -> tuple[Any, ...]:
        """Values with which a recipe must be valid for the search to begin."""
        return self.values

    @property
    def texts(self) -> tuple[str, ...]:
        """How each is written in the study, which keeps no lists."""
        return tuple(value if isinstance(value, str) else json.dumps(value) for value in self.values)

    def suggest(self, trial: Trial, name: str) -> None:
        """Let a trial choose."""
        trial.suggest_categorical(name, self.texts)

    def value(self, chosen: Any) -> Any:
        """The recipe's value of what a trial chose."""
        return self.values[self.texts.index(chosen)]


@dataclass(frozen=True, kw_only=True)
class _Numbers:
    """The table of a span of any numbers."""

    low: float
    high: float
    log: bool = False
    step: float | None = None


@dataclass(frozen=True, kw_only=True)
class _WholeNumbers:
    """The table of a span of whole numbers."""

    low: int
    high: int
    log: bool = False
    step: int | None = None


@dataclass(frozen=True, kw_only=True)
class _Values:
    """The table of choices."""

    choices: tuple[Any, ...]


_KEYS = tuple(field.name for table in (_Numbers, _Values) for field in dataclasses.fields(table))


def _known() -> dict[str, tuple[Any, Any]]:
    """Type and default of every field of a recipe and its tables, by dotted name."""
    known: dict[str, tuple[Any, Any]] = {}
    hints = get_type_hints(Recipe)
    for field in dataclasses.fields(Recipe):
        tables = tables_in(hints[field.name])
        if hints[field.name] not in tables:
            known[field.name] = hints[field.name], field.default
        for table in tables:
            inner = get_type_hints(table)
            known |= {f"{field.name}.{f.name}": (inner[f.name], f.default) for f in dataclasses.fields(table)}
    return known


def read_field(name: str, table: Any, path: Path) -> Span | Choices:
    """The values of one field that a sweep file gives.

    Args:
        name: the field's dotted name, `optimiser.lr`.
        table: the file's table of it.
        path: the file, named in errors.

    Raises:
        ValueError: no field of a recipe (the nearest one is named), an unknown or missing key, both a span
            and choices, or numbers that are no span.
    """
    known = _known()
    place = f'{path}: [{FIELDS}."{name}"]'
    if name not in known:
        inner = [key for key in known if key.startswith(f"{name}.")]
        cure = f'write [{FIELDS}."{inner[0]}"], quotes included' if inner else nearest(name, list(known))
        raise ValueError(f"{place}: no field of a recipe: {cure}")
    if not isinstance(table, dict):
        raise ValueError(f"{place}: must be a table of {', '.join(_KEYS)}, not {table!r}")
    for key in table:
        if key not in _KEYS:
            raise ValueError(f"{place}: unknown setting {key!r}: {nearest(key, _KEYS)}")
    if "choices" in table:
        return _read_choices(table, place)
    return _read_span(table, *known[name], place)


def _read_choices(table: Mapping[str, Any], place: str) -> Choices:
    if len(table) > 1:
        raise ValueError(f"{place}: has both choices and {', '.join(k for k in table if k != 'choices')}")
    choices = Choices(values=from_table(_Values, table, place).choices)
    if len(choices.values) < 2:
        raise ValueError(f"{place}: choices={list(choices.values)}: must be a list of at least 2 values")
    if len(set(choices.texts)) < len(choices.values):
        raise ValueError(f"{place}: choices={list(choices.values)}: each once")
    return choices


def _read_span(table: Mapping[str, Any], hint: Any, default: Any, place: str) -> Span:
    if hint not in (int, float):
        raise ValueError(f"{place}: takes no numbers; give choices = [...], such as {_plain(default)!r}")
    for key in ("low", "high"):
        if key not in table:
            raise ValueError(f"{place}: {key} is missing; give low and high, or choices")
    kind: type[_Numbers | _WholeNumbers] = _WholeNumbers if hint is int else _Numbers
    numbers = from_table(kind, table, place)
    low, high, log, step = numbers.low, numbers.high, numbers.log, numbers.step
    if not low < high:
        raise ValueError(f"{place}: low={low}, high={high}: low must be below high")
    if log and (low <= 0 or step is not None):
        raise ValueError(f"{place}: log={log}, low={low}, step={step}: log needs low above 0 and no step")
    if step is not None and not (step > 0 and math.isclose(((high - low) / step + 0.5) % 1, 0.5)):
        raise ValueError(f"{place}: step={step}: must divide high - low = {high - low:g}")
    return Span(low=low, high=high, log=log, step=step, whole=hint is int)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
