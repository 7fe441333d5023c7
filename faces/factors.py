"""What photos are labelled with, as data: a factor has ordered categories, or is a number cut into bands."""

from __future__ import annotations

import difflib
import itertools
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

UNKNOWN: Final = -1
"""The code of a category, and the class of any task, of a photo whose label is not known."""
NOT_KNOWN: Final = frozenset(("", "nan", "na", "n/a", "null", "unknown"))
"""Words for a label that is not known. `none` is not one: of a mask or a beard it may be the label."""
OPEN_UNITS: Final = 5.0
"""How far inside a range that is open on one side its number is taken to lie."""
_MORE: Final = "more than|over|above|older than"
_LESS: Final = "less than|under|below|younger than"
Per = Literal["photo", "person"]
FloatArray = NDArray[np.floating]
IntArray = NDArray[np.int64]


def plain_word(text: str) -> str:
    """A text without its differences of case, spaces, hyphens, underscores and Unicode forms: macOS writes
    Korean and accented letters in pieces."""
    return re.sub(r"[\s_-]+", "_", unicodedata.normalize("NFC", text).strip().casefold())


@dataclass(frozen=True, kw_only=True)
class Categories:
    """A factor whose values are some names in an order; a photo's label is the place of its name, from 0."""

    name: str
    categories: tuple[str, ...]
    words: tuple[tuple[str, ...], ...] = ()
    """What else means each category, in any language; nothing more than the names when left out."""
    per: Per = "photo"
    """Whether all photos of one person have the same value."""
    column: str = ""
    """What a table calls it, where not by its name."""
    unknown: tuple[str, ...] = ()
    """What else means that the label is not known, beside `NOT_KNOWN`."""
    edges: ClassVar[tuple[float, ...]] = ()
    """Only numbers are cut."""

    def __post_init__(self) -> None:
        if len(self.categories) < 2:
            raise ValueError(f"{self.name} has {_count(self.categories)}; a factor needs at least two values")
        if self.words and len(self.words) != len(self.categories):
            raise ValueError(f"{self.name}: words of {len(self.words)} of its {len(self.categories)} values")
        seen: dict[str, str] = {}
        for category, words in zip(self.categories, self._all_words(), strict=True):
            if ":" in category or not category.strip():
                raise ValueError(
                    f"{self.name}: {category!r} is no name for a value; it has no colon and a letter"
                )
            for word in words:
                before = seen.setdefault(word, category)
                if before != category:
                    raise ValueError(
                        f"{self.name}: {word!r} means both {before!r} and {category!r}; keep one"
                    )
                if word in NOT_KNOWN:
                    raise ValueError(
                        f"{self.name}: {word!r} always means that a label is not known; rename it"
                    )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its values, in order."""
        return self.categories

    def _all_words(self) -> list[tuple[str, ...]]:
        more = self.words or ((),) * len(self.categories)
        return [
            tuple(dict.fromkeys(map(plain_word, (name, *words))))
            for name, words in zip(self.categories, more, strict=True)
        ]

    def codes_by_word(self) -> dict[str, int]:
        """The place of each category by every plain word for it."""
        return {word: code for code, words in enumerate(self._all_words()) for word in words}

    def codes(self, values: ArrayLike) -> IntArray:
        """[n] int64 places, `UNKNOWN` where not known, of [n] labels as they are stored: the same."""
        return np.asarray(values).astype(np.int64)

    @property
    def missing(self) -> float:
        """The label of a photo of which it is not known."""
        return UNKNOWN

    @property
    def dtype(self) -> str:
        """Of its column of labels."""
        return "int64"

    def read(self, text: str) -> float:
        """The label that a text means; case, spaces, hyphens and underscores make no difference.

        Raises:
            ValueError: the text is none of the words; it names the nearest, but not the place.
        """
        word = plain_word(text)
        known = self.codes_by_word()
        # A column of whole numbers with gaps is often stored as 0.0, 1.0.
        code = known.get(re.sub(r"^(-?[0-9]+)\.0$", r"\1", word), known.get(word))
        if code is not None:
            return code
        if word in NOT_KNOWN or word in self.unknown:
            return UNKNOWN
        close = difflib.get_close_matches(word, known, n=2)
        hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
        raise ValueError(f"{self.name} {text!r} is none of {_listed([*known])}{hint}")

    def say(self, value: float) -> str:
        """A label in words, as `read` reads it."""
        return "unknown" if value != value or value == UNKNOWN else self.categories[int(value)]


@dataclass(frozen=True, kw_only=True)
class Number:
    """A factor that is a number; tasks tell bands of it, cut at its edges or at others."""

    name: str
    edges: tuple[float, ...]
    """Lower ends of the second and later bands."""
    unit: str = ""
    least: float = 0.0
    most: float = 120.0
    per: Per = "photo"
    column: str = ""

    def __post_init__(self) -> None:
        check_edges(self.name, self.edges)
        if not math.isfinite(self.most - self.least):
            raise ValueError(f"{self.name}: range {self.least:g} to {self.most:g} has no end; give numbers")
        if not self.least < self.most or not self.least < self.edges[0] or not self.edges[-1] <= self.most:
            raise ValueError(
                f"{self.name}: edges {_numbers(self.edges)} do not lie within its range {self.least:g} to "
                f"{self.most:g}; give range = [lowest, highest]"
            )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of its bands, in order."""
        return band_names(self.edges)

    def codes(self, values: ArrayLike) -> IntArray:
        """[n] int64 bands, `UNKNOWN` where NaN, of [n] numbers."""
        return band_codes(values, self.edges)

    @property
    def missing(self) -> float:
        """The label of a photo of which it is not known."""
        return math.nan

    @property
    def dtype(self) -> str:
        """Of its column of labels."""
        return "float64"

    def read(self, text: str) -> float:
        """The number that a text means, or the middle of a range of them.

        30-39 covers the numbers from 30 until 40 and means 35; so do (30, 39), `30 to 39` and, of years, 30s
        and 30대. Of a range that is open on one side the number lies `OPEN_UNITS` inside: <30 is 25; >=60,
        60+ and `more than 60` are 65.

        Raises:
            ValueError: no number, nor a range, within `least` to `most`; it does not name the place.
        """
        if plain_word(text) in NOT_KNOWN | {"none"}:
            return math.nan
        try:
            number = float(_plain_number(text).replace(" ", ""))
        except ValueError:
            low, high = self.span(text) or (math.nan, math.nan)
            if math.isinf(low):
                number = high - OPEN_UNITS
            else:
                number = low + OPEN_UNITS if math.isinf(high) else (low + high) / 2
        if not self.least <= number <= self.most:
            raise ValueError(
                f"{self.name} {text!r} is no number{f' of {self.unit}' if self.unit else ''} from "
                f"{self.least:g} to {self.most:g}, nor a range such as 30-39, <30, >=60"
            )
        return number

    def span(self, text: str) -> tuple[float, float] | None:
        """The numbers of a range as of `number_range`; of years also decades, of which 40s is 40 and 50."""
        decade = re.fullmatch(r"(\d*0) ?(?:'?s|대)", _plain_number(text))
        if decade and self.unit == "years":
            return int(decade[1]), int(decade[1]) + 10
        return number_range(text)

    def say(self, value: float) -> str:
        """A label in words, as `read` reads it."""
        return "unknown" if math.isnan(value) else f"{value:g}"


Factor = Categories | Number


def check_edges(name: str, edges: Sequence[float]) -> None:
    """Refuse edges that are none, not finite, or not ascending.

    Raises:
        ValueError: with the edges.
    """
    if not edges:
        raise ValueError(f"{name}: no edges; a number needs at least one, where its second band begins")
    if not all(map(math.isfinite, edges)):
        raise ValueError(f"{name}: edges {_numbers(edges)} must be numbers, neither infinite nor nan")
    if any(not low < high for low, high in itertools.pairwise(edges)):
        raise ValueError(f"{name}: edges {_numbers(edges)} must ascend, each once")


def band_names(edges: Sequence[float], least: float | None = None) -> tuple[str, ...]:
    """Names of the bands between some edges: 30 and 60 give <30, 30-59 and >=60.

    Args:
        edges: ascending.
        least: where the first band begins; below it there is none.
    """
    whole = all(float(edge).is_integer() for edge in edges)
    middle = (
        f"{low:g}-{high - 1:g}"
        if whole and high - low > 1
        else f"{low:g}"
        if whole
        else f"{low:g} to {high:g}"
        for low, high in itertools.pairwise(edges)
    )
    first = f"<{edges[0]:g}" if least is None else band_names((least, edges[0]))[1]
    return (first, *middle, f">={edges[-1]:g}")


def band_codes(values: ArrayLike, edges: Sequence[float]) -> IntArray:
    """[n] int64 bands of [n] numbers, `UNKNOWN` where NaN."""
    numbers = np.asarray(values, np.float64)
    return np.where(np.isnan(numbers), UNKNOWN, np.digitize(numbers, edges)).astype(np.int64)


def number_range(text: str) -> tuple[float, float] | None:
    """The numbers from (included) and until (not included) of a range, or None: 30-39 is 30 and 40."""
    plain = _plain_number(text)
    if found := re.fullmatch(r"\(?(\d+) ?(?:-|,|to) ?(\d+)\)?", plain):
        low, high = int(found[1]), int(found[2]) + 1
        return (low, high) if low < high else None
    if found := re.fullmatch(rf"(?:>=?|{_MORE}) ?(\d+)|(\d+) ?\+|(\d+)대? ?(?:이상|초과)", plain):
        return int(found[1] or found[2] or found[3]), math.inf
    if found := re.fullmatch(rf"(?:<|{_LESS}) ?(\d+)|(\d+)대? ?미만", plain):
        return -math.inf, int(found[1] or found[2])
    return None


def _plain_number(text: str) -> str:
    """A number or range in one spelling of its signs and without 세, years of age."""
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFC", text).strip().casefold())
    plain = re.sub("[–—−~〜～]", "-", plain.replace("≥", ">="))
    return re.sub(r"(?<=\d) ?[세살]", "", plain)


def _count(values: Sequence[str]) -> str:
    return f"one value, {values[0]!r}" if values else "no values"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _listed(words: Sequence[str], most: int = 20) -> str:
    return ", ".join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
