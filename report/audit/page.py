"""audit.html: what an audit found, to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from faces.cache.reader import Cache
from faces.command import typed
from faces.contest import FACTORS, MASKS
from faces.factors import Per
from faces.labels import IntArray
from faces.pages.render import render
from faces.pages.thumbnails import thumbnail
from report.audit.draft import Suggestion
from report.audit.people import Disagreement
from report.audit.pixels import Padding
from report.audit.twins import Twins

SIDE: Final = 128
"""Of a small picture, in pixels."""
MOST, MOST_OF_PERSON = 30, 4
"""Suggestions, people or pairs of a gallery, and photos of a person."""


@dataclass(frozen=True)
class Judged:
    """A factor and how its labels came off."""

    name: str
    per: Per
    units: int
    """Labels: of photos, or of people."""
    agreeing: float
    """Share of them that the networks answer too, 0 to 1."""
    suspects: int
    """Those that they answer otherwise."""
    flagged: int
    """Those of these that are probably wrong by confident learning."""
    swaps: int

    @property
    def of(self) -> str:
        """Whose labels they are."""
        return "people" if self.per == "person" else "photos"

    @property
    def told(self) -> str:
        """A line for the terminal."""
        swaps = f", {self.swaps:,} pairs of photos swapped" if self.swaps else ""
        return (
            f"{self.name}: {self.flagged:,} of {self.units:,} labels of {self.of} are probably wrong{swaps}"
            f"; the networks agree with {self.agreeing:.1%}"
        )


@dataclass(frozen=True)
class Found:
    """All that an audit found."""

    judged: list[Judged]
    alone: list[str]
    """Why factors were not judged."""
    suggestions: list[Suggestion]
    disagreements: list[Disagreement]
    places: IntArray
    """[photos] rows of the cache that places in the answers stand for."""
    twins: list[Twins]
    padding: list[Padding]

    @property
    def told(self) -> list[str]:
        """Lines on what no label is put right by."""
        people = len({each.person for each in self.disagreements})
        shared = [each for each in self.twins if each.other_person]
        contradicting = [each for each in self.twins if each.differing]
        telling = [f"{each.factor} {each.value}" for each in self.padding if each.tells]
        about = " or ".join(dict.fromkeys(each.factor for each in self.disagreements))
        lines = [f"{people:,} people have photos that disagree about {about}"] if people else []
        if shared:
            lines.append(f"{len(shared):,} pairs of look-alikes stand under two people")
        if contradicting:
            lines.append(f"{len(contradicting):,} pairs of look-alikes have two labels")
        if telling:
            lines.append(f"what is filled of a crop tells {', '.join(telling)}: a shortcut for networks")
        return lines


def render_page(found: Found, cache: Cache, subject: str, folder: Path) -> str:
    """The page as HTML that loads nothing from elsewhere.

    Args:
        found: by the audit.
        cache: whose crops are shown.
        subject: name of the recipe or ensemble that answered.
        folder: of the audit.
    """
    pictures = _Pictures(cache)
    swaps = [each for each in found.suggestions if each.kind == "swap"]
    factors = []
    for judged in found.judged:
        mine = [each for each in found.suggestions if each.factor == judged.name and each.kind == "label"]
        factors.append((judged, [_asked(each, pictures) for each in mine[:MOST]], len(mine)))
    return render(
        "report.audit",
        "audit.html.j2",
        {
            "name": cache.folder.resolve().name,
            "subject": subject,
            "crops": len(cache),
            "found": found,
            "swaps": [_asked(each, pictures) for each in swaps[:MOST]],
            "swaps_total": len(swaps),
            "factors": factors,
            "people": [_person(each, found.places, pictures) for each in found.disagreements[:MOST]],
            "twins": [_pair(each, pictures) for each in found.twins[:MOST]],
            "words": words_of(cache),
            "confirm": f"make audit-confirm AUDIT={typed(folder)}",
        },
    )


def words_of(cache: Cache) -> dict[str, str]:
    """What the values of mask wear mean in plain words, where a cache is labelled with the contest's."""
    plain = dict(zip(MASKS, ("mask worn", "mask worn wrongly", "no mask"), strict=True))
    return plain if FACTORS[0] in cache.label_set.factors else {}


class _Pictures:
    """Crops of a cache as small pictures, with who is on them and what they are labelled with."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self.index = cache.columns("image_id", "person", *cache.label_set.names)

    def of(self, row: int, note: str = "") -> dict[str, str]:
        """What a tile shows."""
        crop = self.index.iloc[row]
        picture = thumbnail(self.cache.image(row), SIDE)
        return {"image": picture, "id": crop["image_id"], "person": crop["person"], "note": note}

    def label(self, row: int, factor: str) -> str:
        """The label of a crop in words."""
        said: str = self.cache.label_set.factor(factor).say(float(self.index[factor].iloc[row]))
        return said


def _asked(suggestion: Suggestion, pictures: _Pictures) -> dict[str, Any]:
    shown = suggestion.rows[:MOST_OF_PERSON].tolist()
    notes = [""] * len(shown)
    if suggestion.kind == "swap":
        notes = [f"{change.given} → {change.value}" for change in suggestion.changes]
    first = suggestion.changes[0]
    return {
        "tiles": [pictures.of(row, note) for row, note in zip(shown, notes, strict=True)],
        "more": len(suggestion.rows) - len(shown),
        "given": first.given,
        "value": first.value,
        "quality": suggestion.quality,
        "confidence": suggestion.confidence,
        "flagged": suggestion.flagged,
    }


def _person(each: Disagreement, places: IntArray, pictures: _Pictures) -> dict[str, Any]:
    classes = pictures.cache.label_set.factor(each.factor).classes
    # A photo of each value before the second of any: what disagrees is to be seen.
    values = pd.Series(each.values)
    order = np.lexsort((values, values.groupby(values).cumcount()))[:MOST_OF_PERSON]
    shown = list(zip(each.rows[order].tolist(), each.values[order].tolist(), strict=True))
    return {
        "person": each.person,
        "factor": each.factor,
        "by": each.by,
        "divergence": each.divergence,
        "label": pictures.label(int(places[each.rows[0]]), each.factor),
        "tiles": [pictures.of(int(places[place]), classes[value]) for place, value in shown],
        "more": len(each.rows) - len(shown),
    }


def _pair(each: Twins, pictures: _Pictures) -> dict[str, Any]:
    tiles = []
    for row in each.rows:
        labels = ", ".join(f"{name} {pictures.label(row, name)}" for name in each.differing)
        tiles.append(pictures.of(row, labels))
    return {
        "tiles": tiles,
        "distance": each.distance,
        "other": each.other_person,
        "differing": each.differing,
    }
