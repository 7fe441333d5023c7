"""Damages what a file says: values of another type, out of range, missing, too many, swapped.

The odd values are hypothesis's; where they go in is a function of a random generator.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from random import Random
from typing import Any, Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

_DRAWN: Final = 100
"""Odd values in one go; each go has a seed of its own."""
_SETTINGS: Final = settings(
    max_examples=_DRAWN,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[*HealthCheck],
)
_ODD: Final = (
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2**31,
        2**63,
        -(2**63),
        10**30,
        0.5,
        -0.0,
        1e308,
        float("nan"),
        float("inf"),
    ),
    *(
        "",
        " ",
        "\0",
        "\x1b[2J",
        "a\nb",
        "../../x",
        "a/b",
        "/etc/passwd",
        "가",
        "\ud83d\ude00",
        "=1+1",
        "x" * 5000,
    ),
    *([], {}, [[]], [None], {"": {}}),
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)


@cache
def _drawn(number: int) -> tuple[Any, ...]:
    found: list[Any] = []

    @seed(number)
    @_SETTINGS
    @given(_values)
    def draw(value: Any) -> None:
        found.append(value)

    draw()
    return tuple(found)


def odd_value(random: Random) -> Any:
    """A value that few fields expect: a list, a table, text, a number, nothing."""
    if random.random() < 0.5:
        return copy.deepcopy(random.choice(_ODD))
    return copy.deepcopy(random.choice(_drawn(int(random.expovariate(1)))))


def changed(table: dict[str, Any], random: Random) -> dict[str, Any]:
    """A copy of a table with one to three changes, at any depth."""
    table = copy.deepcopy(table)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        places = [*_places(table)]
        if not places:
            return table
        inside, key = random.choice(places)
        _change(inside, key, places, random)
    return table


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value, as the table or list that holds it and the key there."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


def _change(inside: Any, key: Any, places: list[tuple[Any, Any]], random: Random) -> None:
    how = random.choice(("odd", "odd", "odd", "near", "delete", "add", "swap", "wrap"))
    if how == "odd":
        inside[key] = odd_value(random)
    elif how == "near":
        inside[key] = _near(inside[key], random)
    elif how == "delete":
        del inside[key]
    elif how == "add":
        if isinstance(inside, dict):
            inside[random.choice(("unknown", "", "a\nb", str(odd_value(random))[:40]))] = odd_value(random)
        else:
            inside.insert(random.randrange(len(inside) + 1), odd_value(random))
    elif how == "swap":
        other, place = random.choice(places)
        inside[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(inside[key])
    else:
        inside[key] = {str(key): inside[key]} if random.random() < 0.5 else [inside[key]]


def _near(value: Any, random: Random) -> Any:
    """A value of the same type, not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return random.choice((-value, value + 1, value - 1, value * 2**20, float(value), str(value)))
    if isinstance(value, str):
        at = random.randrange(len(value) + 1)
        return value[:at] + random.choice(("", "\0", "/", "..", "é", " ", "\n")) + value[at + 1 :]
    if isinstance(value, list):
        return random.choice(([*value, *value], value[:-1], value[::-1], value * 50))
    return {} if isinstance(value, dict) else 0
