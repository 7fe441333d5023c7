"""What is said of people's names: several for one person, and nearly the same for two."""

from __future__ import annotations

from typing import Final

import pandas as pd

from faces.factors import plain_word
from faces.foreign.persons import person_key, several_spellings
from preprocess.sources.listing import counted

_ONE: Final = "give them one name in the table or by a corrections.csv (column person), and preprocess again"


def people_of(photos: pd.DataFrame) -> pd.Series:
    """Names of the people on photos, without those who are called by their photo's file: nobody named.

    Args:
        photos: person and source.
    """
    return photos["person"][(photos["person"] != "") & (photos["person"] != photos["source"])]


def spelling_notes(people: pd.Series) -> list[str]:
    """A sentence on people who have several names by the normal form, or none.

    Args:
        people: of `people_of`, as a table or caches have them.
    """
    several = several_spellings(people)
    if not several:
        return []
    keys = [*dict.fromkeys(several.values())]
    are = counted_people(len(keys), "is", "are")
    return [
        f"{are} written in several ways (letters in pieces, blanks around, 7.0 for 7), the first {keys[0]}: "
        "each is one person"
    ]


def alike_notes(people: pd.Series) -> list[str]:
    """A sentence on people whose names are so much alike that they may be one, with the cure, or none.

    Args:
        people: of `people_of`.
    """
    names = pd.Series([*dict.fromkeys(map(person_key, people.unique()))], dtype=object)
    loose = names.map(_loosely)
    near = names[loose.duplicated(keep=False)]
    if near.empty:
        return []
    one, other = near[loose[near.index] == loose[near.index[0]]][:2]
    return [
        f"{len(near):,} people differ from another in case, blanks, hyphens or leading zeros alone, such as "
        f"{one} and {other}: they count as {len(near):,}, so one of them may train where another validates; "
        f"if they are one, {_ONE}"
    ]


def counted_people(count: int, one: str, several: str) -> str:
    """1 person is, or 2 people are."""
    return f"{counted(count, 'person')} {one}" if count == 1 else f"{count:,} people {several}"


def _loosely(name: str) -> str:
    """A name without what people write now one way, now another."""
    word = plain_word(name)
    return (word.lstrip("0") or "0") if word.isdecimal() else word
