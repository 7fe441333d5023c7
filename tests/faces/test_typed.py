"""Tables of plain values become dataclasses whose fields hold just what they say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from faces.typed import convert


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 1.0

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"rate={self.rate}: must be 0 or more")


@dataclass(frozen=True, kw_only=True)
class Outer:
    needed: int
    file: Path = Path()
    step: float | None = None
    either: str | Inner = "plain"
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    names: tuple[Literal["a", "b"], ...] = ()
    anything: Any = None


@pytest.mark.parametrize(
    ("key", "value", "held"),
    [
        ("needed", 2, 2),
        ("file", "a/b", Path("a/b")),
        ("step", 1, 1.0),
        ("step", None, None),
        ("either", "text", "text"),
        ("either", {"rate": 2}, Inner(rate=2.0)),
        ("where", {"x": ["1", "2"]}, {"x": ("1", "2")}),
        ("names", ["a", "b", "a"], ("a", "b", "a")),
        ("anything", {"x": [1, "2"]}, {"x": [1, "2"]}),
    ],
)
def test_values_keep_their_types(key: str, value: Any, held: Any) -> None:
    found = getattr(convert(Outer, {"needed": 1, key: value}), key)
    assert found == held
    assert type(found) is type(held)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("needed", "1", 'needed: "1" is text, expected a whole number; leave out the quotes'),
        ("needed", None, "needed: null is no value, expected a whole number"),
        ("file", 3, "file: 3 is a whole number, expected text; put it in quotes"),
        ("step", "1e-3", 'step: "1e-3" is text, expected a number; leave out the quotes'),
        ("step", "fast", 'step: "fast" is text, expected a number'),
        ("either", 3, "either: 3 is a whole number, expected text or a table"),
        ("either", {"rate": "2"}, 'either.rate: "2" is text, expected a number; leave out the quotes'),
        ("either", {"rate": -1}, "either: rate=-1.0: must be 0 or more"),
        ("where", {"x": "1"}, 'where.x: "1" is text, expected a list of texts; put it in brackets'),
        ("where", {"x": ["1", 2]}, "where.x[1]: 2 is a whole number, expected text; put it in quotes"),
        ("names", ["a", "c"], 'names[1]: "c" is unknown, expected a or b'),
        ("names", ["x" * 200], f'names[0]: "{"x" * 79}... is unknown, expected a or b'),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_place_and_the_cure(
    key: str, value: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        convert(Outer, {"needed": 1, key: value})


def test_what_must_be_given_is_missed() -> None:
    with pytest.raises(ValueError, match=r"^needed is missing; expected a whole number$"):
        convert(Outer, {})
