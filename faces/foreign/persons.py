"""Who is who: one person spelt in two ways is one person, in every table and cache."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import pandas as pd

_WHOLE: Final = re.compile(r"(-?[0-9]+)\.0+")
"""A whole number as tables write it that keep a column as decimals, since a cell of it is empty."""
_WIDE: Final = {0xFF01 + place: 0x21 + place for place in range(94)}
"""Full-width letters, digits and signs, as Korean and Japanese keyboards write them, by their code."""


def person_key(name: str) -> str:
    """The normal form of a person's name: composed letters (NFC; macOS writes names of folders in pieces) of
    usual width, no blanks around it, a whole number without decimals.

    Names that differ in more are other people: `007` and `7`, `anna` and `Anna`.
    """
    if not name.isascii():
        name = unicodedata.normalize("NFC", name.translate(_WIDE))
    name = name.strip()
    number = _WHOLE.fullmatch(name) if name.endswith("0") else None
    return number[1] if number else name


def several_spellings(people: pd.Series) -> dict[str, str]:
    """The normal form by name, of those names alone whose person is there by another name too.

    Args:
        people: names, as a table or cache has them.
    """
    names = [name for name in people.unique() if isinstance(name, str)]
    keys = pd.Series([person_key(name) for name in names], names, dtype=object)
    return {str(name): str(key) for name, key in keys[keys.duplicated(keep=False)].items()}


def one_spelling(people: pd.Series, sources: pd.Series) -> pd.Series:
    """People by one name each: whoever has several by the normal form, all others as they are.

    So the people of a cache that was made before names had a normal form keep their order, and their folds,
    unless one of them is there twice.

    Args:
        people: [n] names, "" for nobody.
        sources: [n] names of the photos' files. A photo of nobody named is a person of its file's name, which
            is no person's and has one spelling.
    """
    named = people != sources
    several = several_spellings(people[named])
    if not several:
        return people
    return people.where(~(named & people.isin([*several])), people.map(several))
