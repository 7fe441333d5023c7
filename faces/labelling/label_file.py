"""Label sets as people write them, in TOML files; caches and runs keep the same table of factors.

A `labels.toml` names each factor once:

    glasses = ["yes", "no"]                      # ordered categories
    gender = "contest"                           # a factor of the built-in set, with all its words

    [mask]
    categories = ["worn", "wrong", "none"]
    words = { worn = ["1", "getragen"], none = ["0", "ohne"] }
    column = "Wears mask"                        # in tables, where it is not called as the factor

    [age]
    edges = [18, 40, 65]                         # lower ends of the second and later bands
    unit = "years"
    range = [0, 110]
    per = "person"                               # all photos of one person have the same; else "photo"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from faces.command import check_keys, from_table, nearest, parse_toml
from faces.factors import Categories, Factor, Number, Per
from faces.files import settings_text
from faces.labels import CONTEST, LabelSet
from faces.storage.cells import is_formula

T = TypeVar("T")
FILE_NAME: Final = "labels.toml"
"""Its name beside the photos."""
_COLUMNS: Final = (
    "key position image_id source source_bytes source_sha256 bytes problem reason person shard offset length "
    "height width codec box face_box crop_box crop_angle true_pixels turned face landmarks score "
    "faces detector status split extra fold row path truth contest left top right bottom ImageID ans"
)
RESERVED: Final = frozenset(_COLUMNS.split(" "))
"""Names of other columns of a cache's tables, and of tables of answers."""

_FIELDS: Final = ("categories", "words", "unknown", "edges", "unit", "range", "per", "column")
"""Keys of a factor's table."""


@dataclass(frozen=True, kw_only=True)
class _CategoriesTable:
    categories: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    per: Per = "photo"
    column: str = ""


@dataclass(frozen=True, kw_only=True)
class _NumberTable:
    edges: tuple[float, ...]
    unit: str = ""
    range: tuple[float, float] = (Number.least, Number.most)
    per: Per = "photo"
    column: str = ""


def read_labels(path: Path) -> LabelSet:
    """Read a label file.

    Raises:
        ValueError: no such file, not TOML, or what is no factor; file, value and cure are named.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such file; write one (docs/own-labels.md), or leave LABELS out")
    text = settings_text(path)
    try:
        table = parse_toml(text)
    except ValueError as error:
        complaint = _named_twice(text) or f"not TOML: {error}{_unquoted(text) or '; correct it there'}"
        raise ValueError(f"{path}: {complaint}") from error
    found = from_factors(path.stem, table, path)
    _check_cells(found, path)
    return found


def _check_cells(labels: LabelSet, path: Path) -> None:
    """Refuse values that a spreadsheet would run when it shows answers; sets that are stored have no say.

    Raises:
        ValueError: with the value.
    """
    for factor in labels.factors:
        for value in factor.classes:
            if isinstance(factor, Categories) and is_formula(value):
                raise ValueError(
                    f"{path}: {factor.name}: spreadsheets would take {value!r} in answers.csv for a formula; "
                    "give the value another beginning, and name this one among its words where tables have it"
                )


def from_factors(name: str, table: Mapping[str, Any], source: Path | str) -> LabelSet:
    """A label set from a table of factors.

    Args:
        name: of the set.
        table: what each factor's name stands for.
        source: the file, named in errors.

    Raises:
        ValueError: no factor, or what is none.
    """
    factors = tuple(_factor(key, value, source) for key, value in table.items())
    return _named(source, lambda: label_set(name, factors))


def label_set(name: str, factors: tuple[Factor, ...]) -> LabelSet:
    """A set of some factors, with the contest's named tasks where all their factors are the contest's own."""
    ours = {factor.name for factor in factors if factor in CONTEST.factors}
    named = {
        task: expression
        for task, expression in CONTEST.named.items()
        if {*CONTEST.task(task).factors} <= ours
    }
    order = {factor: place for place, factor in enumerate(CONTEST.factors)}
    if {*factors} == {*order}:  # whatever the order in which they are named
        factors = CONTEST.factors
    return LabelSet(name=name, factors=factors, named=named)


def _factor(name: str, value: Any, source: Path | str) -> Factor:
    if not name.isidentifier() or name in RESERVED:
        raise ValueError(
            f"{source}: {name!r} cannot be a factor's name, which is letters, digits and _, and none of the "
            "columns that caches and answers have; rename it, and give the table's own name as column"
        )
    if isinstance(value, str):
        if value != CONTEST.name or name not in CONTEST.names:
            known = ", ".join(f'{each} = "{CONTEST.name}"' for each in CONTEST.names)
            raise ValueError(
                f"{source}: {name} = {value!r}: only {known} stand for built-in factors; list its values"
            )
        return CONTEST.factor(name)
    if isinstance(value, list):
        value = {"categories": value}
    if isinstance(value, dict) and (unknown := [key for key in value if key not in _FIELDS]):
        raise ValueError(f"{source}: {name}: unknown setting {unknown[0]!r}: {nearest(unknown[0], _FIELDS)}")
    if not isinstance(value, dict) or len({"categories", "edges"} & {*value}) != 1:
        raise ValueError(
            f'{source}: {name}: give its values, {name} = ["yes", "no"], or a table [{name}] with categories '
            "or, for a number, with edges"
        )
    place = f"{source}: {name}"
    if "edges" in value:
        check_keys(_NumberTable, value, place)
        number = from_table(_NumberTable, value, place)
        least, most = number.range
        return _named(
            source,
            lambda: Number(
                name=name,
                edges=number.edges,
                unit=number.unit,
                least=least,
                most=most,
                per=number.per,
                column=number.column,
            ),
        )
    check_keys(_CategoriesTable, value, place)
    categories = from_table(_CategoriesTable, value, place)
    words = categories.words
    if strange := [word for word in words if word not in categories.categories]:
        raise ValueError(f"{place}: words of {strange[0]!r}: {nearest(strange[0], categories.categories)}")
    return _named(
        source,
        lambda: Categories(
            name=name,
            categories=categories.categories,
            words=tuple(words.get(each, ()) for each in categories.categories) if words else (),
            per=categories.per,
            column=categories.column,
            unknown=categories.unknown,
        ),
    )


def _unquoted(text: str) -> str:
    """The cure for a name that TOML takes in quotes alone, or ""."""
    names = re.findall(r"^\s*\[?\s*(\w+)\s*[\]=]", text, re.MULTILINE)
    strange = next((name for name in names if not name.isascii()), "")
    return f'; a name with letters beyond a to z is put in quotes, "{strange}"' if strange else ""


def _named_twice(text: str) -> str:
    """The complaint about a factor that a file names twice, or ""."""
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = re.match(r"\s*\[?\s*\"?(\w+)\"?\s*[\]=]", line)
        before = seen.setdefault(found[1], number) if found and not line.startswith((" ", "\t")) else number
        if found and before != number and found[1] not in _FIELDS:
            return (
                f"two factors are called {found[1]!r}, in lines {before} and {number}; rename or remove one"
            )
    return ""


def _named(source: Path | str, make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
