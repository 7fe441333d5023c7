"""How often a face is found in the photos of each label: what detectors lose is not lost evenly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from faces.labels import LabelSet

Level = Literal["plain", "good", "warn", "bad"]
FOUND = (0.97, 0.90)
"""Detection rates of the photos of one value under which it is worth a look, and bad."""


def level_of(share: float, limits: tuple[float, float]) -> Level:
    """Good up to the first limit, bad from above the second."""
    warn, bad = limits
    return "bad" if share > bad else "warn" if share > warn else "good"


@dataclass(frozen=True)
class Rate:
    """How many photos of one value of a factor have a face."""

    value: str
    photos: int
    found: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.found / self.photos

    @property
    def level(self) -> Level:
        """Whether that is enough."""
        return level_of(1 - self.share, (1 - FOUND[0], 1 - FOUND[1]))


def gap(rates: Sequence[Rate]) -> float:
    """How far apart the highest and the lowest share are; less than nothing where there are no rates."""
    shares = [rate.share for rate in rates]
    return max(shares) - min(shares) if shares else -1.0


def detection_rates(detected: pd.Series, photos: pd.DataFrame, labels: LabelSet) -> dict[str, list[Rate]]:
    """Detection rates by value of each factor that differs among one person's photos, or of all if none does.

    Args:
        detected: [n] whether a face was found.
        photos: their labels.
        labels: the factors.

    Returns:
        The rates by factor; values without a photo are left out.
    """
    differing = [factor for factor in labels.factors if factor.per == "photo"]
    rates: dict[str, list[Rate]] = {}
    for factor in differing or labels.factors:
        rates[factor.name] = []
        codes = factor.codes(photos[factor.name])
        for code, value in enumerate(factor.classes):
            mine = detected[codes == code]
            if len(mine):
                rates[factor.name].append(Rate(value, len(mine), int(mine.sum())))
    return rates
