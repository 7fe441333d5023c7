"""What people write for a mask, a gender or an age, and the label that it means."""

from __future__ import annotations

import math
import re
from typing import Literal

from faces.labels import AGE_EDGES, GENDERS, MASKS, UNKNOWN

Label = Literal["mask", "gender", "age"]
MASK_WORDS = {
    "wear": "0 wear worn wearing mask masked with_mask mask_worn correct correct_mask correctly_worn",
    "incorrect": "1 incorrect incorrect_mask incorrectly_worn mask_incorrect mask_weared_incorrect wrong",
    "normal": "2 normal unmasked no_mask nomask without_mask without not_worn",
}
GENDER_WORDS = {"male": "0 male m man men boy", "female": "1 female f woman women girl"}
NOT_KNOWN = frozenset(("", "nan", "na", "n/a", "null", "unknown"))
OLDEST = 120.0
OPEN_YEARS = 5.0
"""How far inside an open range its age is taken to lie."""


def _codes(names: tuple[str, ...], words: dict[str, str]) -> dict[str, int]:
    return {word: names.index(name) for name in names for word in words[name].split()}


WORDS = {"mask": _codes(MASKS, MASK_WORDS), "gender": _codes(GENDERS, GENDER_WORDS)}
"""Codes by word, lower case with underscores."""


def read_label(column: Label, text: str) -> float:
    """The label that a text means; upper and lower case, spaces, hyphens and underscores are the same.

    An age is years, or a range of them: 30-39 covers the years from 30 until 40 and means its middle, 35. Of
    a range that is open on one side the age lies `OPEN_YEARS` inside: <30 is 25, >=60 and 60+ are 65.

    Args:
        column: which label.
        text: a cell of a table, or a folder's name.

    Returns:
        A code of `MASKS` or `GENDERS`, `UNKNOWN` where not known; or years from 0 to `OLDEST`, NaN where not
        known.

    Raises:
        ValueError: the text is none of the words, or no age; it names what is allowed, but not the place.
    """
    word = plain_word(text)
    if word in NOT_KNOWN:
        return math.nan if column == "age" else UNKNOWN
    if column == "age":
        return _years(text)
    # A column of whole numbers with gaps is often stored as 0.0, 1.0.
    code = WORDS[column].get(re.sub(r"^([0-9])\.0$", r"\1", word))
    if code is None:
        raise ValueError(f"{column} {text!r} is none of {', '.join(WORDS[column])}")
    return code


def plain_word(text: str) -> str:
    """A text without its differences of case, spaces and hyphens."""
    return re.sub(r"[\s_-]+", "_", text.strip().casefold())


def _years(text: str) -> float:
    plain = text.replace(" ", "")
    try:
        age = float(plain)
    except ValueError:
        low, high = age_range(text) or (math.nan, math.nan)
        if math.isinf(low):
            age = high - OPEN_YEARS
        else:
            age = low + OPEN_YEARS if math.isinf(high) else (low + high) / 2
    if not 0 <= age <= OLDEST:
        raise ValueError(
            f"age {text!r} is no number of years from 0 to {OLDEST:.0f}, nor a range such as 30-39, <30, >=60"
        )
    return age


def age_range(text: str) -> tuple[float, float] | None:
    """The ages from (included) and until (not included) of a range, or None: 30-39 is 30 and 40."""
    plain = text.replace(" ", "").replace("–", "-")
    if found := re.fullmatch(r"(\d+)-(\d+)", plain):
        low, high = int(found[1]), int(found[2]) + 1
        return (low, high) if low < high else None
    if found := re.fullmatch(r">=(\d+)|(\d+)\+", plain):
        return int(found[1] or found[2]), math.inf
    if found := re.fullmatch(r"<(\d+)", plain):
        return -math.inf, int(found[1])
    return None


def is_split(text: str) -> bool:
    """Whether a range of ages lies in two of the scored age bands, so that its middle decides."""
    low, high = age_range(text) or (0, 0)
    return any(low < edge < high for edge in AGE_EDGES)


def say_label(column: Label, value: float) -> str:
    """A label in words, as `read_label` reads it."""
    if math.isnan(value) or (column != "age" and value == UNKNOWN):
        return "unknown"
    if column == "age":
        return f"{value:g}"
    return (MASKS if column == "mask" else GENDERS)[int(value)]
