"""The fields of a recipe that a sweep searches, and over which values."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faces.command import nearest
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


def _defaults() -> dict[str, Any]:
    """Default of every field of a recipe and its tables, by dotted name."""
    flat: dict[str, Any] = {}
    for key, value in ((field.name, field.default) for field in dataclasses.fields(Recipe)):
        if dataclasses.is_dataclass(value):
            flat |= {f"{key}.{f.name}": getattr(value, f.name) for f in dataclasses.fields(value)}
        else:
            flat[key] = value
    return flat


def read_field(name: str, table: Any, path: Path) -> Span | Choices:
    """What a sweep file says of one field.

    Args:
        name: the field's dotted name, `optimiser.lr`.
        table: the file's table of it.
        path: the file, named in errors.

    Raises:
        ValueError: no field of a recipe (the nearest one is named), an unknown or missing key, both a span
            and choices, or numbers that are no span.
    """
    defaults = _defaults()
    told = f'{path}: [{FIELDS}."{name}"]'
    if name not in defaults:
        inner = [key for key in defaults if key.startswith(f"{name}.")]
        cure = f'write [{FIELDS}."{inner[0]}"], quotes included' if inner else nearest(name, list(defaults))
        raise ValueError(f"{told}: no field of a recipe: {cure}")
    keys = ("low", "high", "log", "step", "choices")
    if not isinstance(table, dict):
        raise ValueError(f"{told}: must be a table of {', '.join(keys)}, not {table!r}")
    for key in table:
        if key not in keys:
            raise ValueError(f"{told}: unknown setting {key!r}: {nearest(key, keys)}")
    if "choices" in table:
        return _read_choices(table, told)
    return _read_span(table, defaults[name], told)


def _read_choices(table: Mapping[str, Any], told: str) -> Choices:
    values = table["choices"]
    if len(table) > 1:
        raise ValueError(f"{told}: has both choices and {', '.join(k for k in table if k != 'choices')}")
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError(f"{told}: choices={values!r}: must be a list of at least 2 values")
    choices = Choices(values=tuple(values))
    if len(set(choices.texts)) < len(values):
        raise ValueError(f"{told}: choices={values!r}: each once")
    return choices


def _read_span(table: Mapping[str, Any], default: Any, told: str) -> Span:
    if isinstance(default, bool) or not isinstance(default, int | float):
        raise ValueError(f"{told}: takes no numbers; give choices = [...], such as {_plain(default)!r}")
    for key in ("low", "high"):
        if key not in table:
            raise ValueError(f"{told}: {key} is missing; give low and high, or choices")
    whole, log, step = isinstance(default, int), table.get("log", False), table.get("step")
    for key in ("low", "high", *(("step",) if step is not None else ())):
        kinds = (int,) if whole else (int, float)
        if isinstance(table[key], bool) or not isinstance(table[key], kinds):
            raise ValueError(f"{told}: {key}={table[key]!r}: must be a {'whole ' if whole else ''}number")
    low, high = table["low"], table["high"]
    if not low < high:
        raise ValueError(f"{told}: low={low}, high={high}: low must be below high")
    if not isinstance(log, bool) or (log and (low <= 0 or step is not None)):
        raise ValueError(f"{told}: log={log!r}, low={low}, step={step}: log needs low above 0 and no step")
    if step is not None and not (step > 0 and math.isclose(((high - low) / step + 0.5) % 1, 0.5)):
        raise ValueError(f"{told}: step={step}: must divide high - low = {high - low:g}")
    kind = int if whole else float
    return Span(
        low=kind(low), high=kind(high), log=log, step=None if step is None else kind(step), whole=whole
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
