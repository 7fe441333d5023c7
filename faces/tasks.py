"""Tasks: what maps the labels of a photo to one class."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faces.contest import FACTORS
from faces.factors import (
    UNKNOWN,
    Categories,
    Factor,
    IntArray,
    band_codes,
    band_names,
)


class Photos(Protocol):
    """Labels as they are stored: [n] of each factor by its name; a table, for example."""

    def __getitem__(self, name: str, /) -> Any:
        """The labels of one factor."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a task tells of one factor."""

    factor: Factor
    edges: tuple[float, ...] = ()
    """Where a number is cut; nothing for categories."""
    least: float | None = None
    """Photos of less are not the task's: they get `UNKNOWN` and are left out of training on it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the values that it tells apart."""
        if isinstance(self.factor, Categories):
            return self.factor.categories
        return band_names(self.edges, self.least)

    @property
    def whole(self) -> bool:
        """Whether it tells the factor's own values, of all photos."""
        return isinstance(self.factor, Categories) or (self.edges == self.factor.edges and self.least is None)

    def encode(self, values: Any) -> IntArray:
        """[n] int64 places in `classes` of [n] labels, `UNKNOWN` where not known or not the task's."""
        if isinstance(self.factor, Categories):
            return self.factor.codes(values)
        numbers = np.asarray(values, np.float64)
        codes = band_codes(numbers, self.edges)
        return codes if self.least is None else np.where(numbers < self.least, UNKNOWN, codes)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One classification problem over some factors."""

    name: str
    parts: tuple[Part, ...]
    """What it tells of each factor, in the order of its mixed-radix class."""

    @property
    def count(self) -> int:
        """How many classes it has: of many factors more than could be listed."""
        return math.prod(self.sizes)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Names of its classes: all combinations of the parts' values."""
        names = [""]
        for part in self.parts:
            names = [f"{name} {value}".strip() for name in names for value in part.classes]
        return tuple(names)

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of the factors that it tells."""
        return tuple(part.factor.name for part in self.parts)

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values it tells apart of each factor."""
        return tuple(len(part.classes) for part in self.parts)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of its probabilities in a table of answers: of the contest's 18 classes their
        own names, of others `<task>:<class>`."""
        plain = self.whole and tuple(part.factor for part in self.parts) == FACTORS
        return [*self.classes] if plain else [f"{self.name}:{name}" for name in self.classes]

    @property
    def whole(self) -> bool:
        """Whether it tells the own values of each of its factors, of all photos."""
        return all(part.whole for part in self.parts)

    @property
    def number(self) -> Part | None:
        """Its only part, where that is a number: what can be ordinal, a distribution or a regression."""
        [*others, last] = self.parts
        return None if others or isinstance(last.factor, Categories) else last

    def encode(self, photos: Photos) -> IntArray:
        """[n] int64 classes of n photos, `UNKNOWN` where a label is not known or the photo not the task's."""
        code: IntArray | None = None
        valid: NDArray[np.bool_] | np.bool_ = np.True_
        for part, size in zip(self.parts, self.sizes, strict=True):
            mine = part.encode(photos[part.factor.name])
            code = mine if code is None else code * size + mine
            valid = valid & (mine >= 0)
        assert code is not None
        return np.where(valid, code, UNKNOWN)

    def known(self, photos: Photos) -> NDArray[np.bool_]:
        """[n] whether all factors of the task are known, be the photo the task's or not."""
        codes = [part.factor.codes(photos[part.factor.name]) for part in self.parts]
        return np.asarray(np.min(codes, axis=0) >= 0)
