"""Sets of factors, and the tasks that follow from them.

The photos of a cache are labelled with a `LabelSet`. A `Task` maps a photo's labels to a class. Tasks are
written as expressions over the factors:

    glasses                    a factor
    mask*gender                the product of several; its classes are all combinations
    age[20, 30, 47, 55, 60]    a number, cut at other edges than its own
    age>=30[60]                of photos at or above 30 alone: 30-59 as against 60 and more
    mask*age[40]               all of it together

`CONTEST` is the set that FaceFold began with: mask wear, gender and age, of which the contest scores 18
classes, `class = mask * 6 + gender * 3 + age band`. Its tasks have names of their own, too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from faces.command import nearest
from faces.contest import AGE_BANDS, AGE_EDGES, FACTORS, GENDERS, MASKS, NAMED
from faces.factors import (
    UNKNOWN,
    Categories,
    Factor,
    FloatArray,
    IntArray,
    Number,
    check_edges,
    plain_word,
)
from faces.tasks import Part, Photos, Task

__all__ = [
    "AGE_BANDS",
    "AGE_EDGES",
    "GENDERS",
    "MASKS",
    "UNKNOWN",
    "Categories",
    "Factor",
    "FloatArray",
    "IntArray",
    "Number",
    "Part",
    "Photos",
    "Task",
]


MOST_CLASSES: Final = 4096
"""Most classes of a task that a network is taught."""


_CUT: Final = re.compile(
    r"(?P<name>[^\[\]*<>=]+?)\s*(?:>=\s*(?P<least>-?[0-9.]+))?\s*(?:\[(?P<edges>[^\]]*)\])?"
)


@dataclass(frozen=True, kw_only=True)
class LabelSet:
    """The factors that the photos of a source are labelled with."""

    name: str
    """What people call the set; two sets of equal factors are alike, whatever their names."""
    factors: tuple[Factor, ...]
    named: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Tasks that have a name of their own, and the expression each stands for."""

    def __post_init__(self) -> None:
        names = [factor.name for factor in self.factors]
        if not names:
            raise ValueError("no factor; name at least one")
        for one, other in itertools.combinations(names, 2):
            if plain_word(one) == plain_word(other):
                called = repr(one) if one == other else f"{one!r} and {other!r}, one column of a table"
                raise ValueError(f"two factors are called {called}; rename one")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the factors: the columns of their labels."""
        return tuple(factor.name for factor in self.factors)

    @property
    def headline(self) -> str:
        """The named task that tells all factors, in which answers are scored where heads tell it, or ""."""
        return next((name for name in self.named if {*self.task(name).factors} == {*self.names}), "")

    def factor(self, name: str) -> Factor:
        """The factor of this name.

        Raises:
            ValueError: there is none; the nearest is named.
        """
        for factor in self.factors:
            if factor.name == name:
                return factor
        raise ValueError(f"no factor {name!r}: {nearest(name, self.names)}")

    def task(self, expression: str) -> Task:
        """The task of this name or expression.

        Raises:
            ValueError: it names no factor, the same twice, or edges that are none.
        """
        found = self._tasks.get(expression)
        if found is None:
            found = Task(name=expression, parts=tuple(self._parts(expression)))
            if found.count <= MOST_CLASSES and len({*found.classes}) < found.count:
                twice, factors = _twice(found.classes), " or ".join(found.factors)
                raise ValueError(
                    f"{expression!r}: two of its classes are called {twice!r}; rename values of {factors}"
                )
            self._tasks[expression] = found
        return found

    @cached_property
    def _tasks(self) -> dict[str, Task]:
        return {}

    def _parts(self, expression: str) -> list[Part]:
        parts: list[Part] = []
        for text in self.named.get(expression, expression).split("*"):
            text = text.strip()
            parts += self._parts(text) if text in self.named else [self._part(text, expression)]
        told = [part.factor.name for part in parts]
        if twice := {name for name in told if told.count(name) > 1}:
            raise ValueError(f"{expression!r} tells {min(twice)} twice; name each factor once")
        return parts

    def _part(self, text: str, expression: str) -> Part:
        found = _CUT.fullmatch(text)
        name = found["name"] if found else text
        if name not in self.names:
            known = (*self.named, *self.names)
            raise ValueError(
                f"{expression!r} is no task of these labels: {nearest(name, known)}; a task is a factor "
                f"({', '.join(self.names)}), a product such as a*b, or a number cut elsewhere, age[20, 40]"
            )
        factor = self.factor(name)
        assert found is not None
        if isinstance(factor, Categories):
            if found["edges"] is not None or found["least"] is not None:
                raise ValueError(f"{expression!r}: {name} has categories, no edges; only numbers are cut")
            return Part(factor=factor)
        return _cut(factor, found["edges"], found["least"], expression)

    def product(self, factors: Collection[str]) -> Task:
        """The task that tells the whole of some factors, by its own name where it has one."""
        wanted = [name for name in self.names if name in {*factors}]
        for name in (*self.named, *self.names):
            task = self.task(name)
            if task.whole and task.factors == tuple(wanted):
                return task
        return self.task("*".join(wanted))

    def encode(self, photos: Photos) -> dict[str, IntArray]:
        """[n] int64 codes of n photos by factor, `UNKNOWN` where not known."""
        return {factor.name: factor.codes(photos[factor.name]) for factor in self.factors}


def _twice(names: Sequence[str]) -> str:
    return next(name for name in names if names.count(name) > 1)


def _cut(factor: Number, edges: str | None, least: str | None, expression: str) -> Part:
    try:
        numbers = factor.edges if edges is None else tuple(float(edge) for edge in edges.split(","))
        start = None if least is None else float(least)
    except ValueError:
        raise ValueError(f"{expression!r}: edges are numbers, such as {factor.name}[20, 40]") from None
    check_edges(expression, numbers)
    if not factor.least < numbers[0] or not numbers[-1] <= factor.most:
        raise ValueError(
            f"{expression!r}: no {factor.name} of {factor.least:g} to {factor.most:g} is on both sides of "
            "each edge; cut it within its range"
        )
    if start is not None and not start < numbers[0]:
        raise ValueError(f"{expression!r}: its first edge, {numbers[0]:g}, must be above {start:g}")
    return Part(factor=factor, edges=numbers, least=start)


CONTEST: Final = LabelSet(name="contest", factors=FACTORS, named=NAMED)
"""Mask wear, gender and age, as the contest has them."""
TASKS: Final[Mapping[str, Task]] = {
    name: CONTEST.task(name)
    for name in ("class18", "mask", "gender", "age3", "age6", "mask_gender", "senior")
}
"""The contest's tasks by their names."""
CLASS_NAMES: Final = TASKS["class18"].classes
CLASS_COUNT: Final = len(CLASS_NAMES)
