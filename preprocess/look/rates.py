"""What differs from label to label that should not: how often a face is found, how it is framed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from faces.factors import Factor
from faces.intervals import Estimate
from faces.labels import CONTEST, LabelSet

Level = Literal["plain", "good", "warn", "bad"]
FOUND = (0.97, 0.90)
"""Detection rates of the photos of one value under which it is worth a look, and bad."""
TELLING = 0.6
"""Area under the ROC curve from which framing tells two values apart; 0.5 is chance."""
LEAST = 10
"""Crops of a value from which it is compared."""


def level_of(share: float, limits: tuple[float, float]) -> Level:
    """Good up to the first limit, bad from above the second."""
    warn, bad = limits
    return "bad" if share > bad else "warn" if share > warn else "good"


@dataclass(frozen=True)
class Rate:
    """How many photos of one value of a factor have something."""

    value: str
    photos: int
    found: int

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.found / self.photos

    @property
    def level(self) -> Level:
        """Whether that is enough, where it is a face."""
        return level_of(1 - self.share, (1 - FOUND[0], 1 - FOUND[1]))


@dataclass(frozen=True)
class Contrast:
    """How well one number tells two values of a factor apart."""

    factor: str
    more: str
    """The value whose crops have the larger numbers."""
    less: str
    area: Estimate
    """Chance that a crop of `more` has the larger number of the two: the area under the ROC curve."""


def gap(rates: Sequence[Rate]) -> float:
    """How far apart the highest and the lowest share are; less than nothing where there are no rates."""
    shares = [rate.share for rate in rates]
    return max(shares) - min(shares) if shares else -1.0


def rated_factors(labels: LabelSet) -> list[Factor]:
    """The factors that differ among one person's photos, or all if none does."""
    return [factor for factor in labels.factors if factor.per == "photo"] or [*labels.factors]


def value_rates(found: pd.Series, photos: pd.DataFrame, labels: LabelSet) -> dict[str, list[Rate]]:
    """How many photos of each value of the `rated_factors` have something, such as a face.

    Args:
        found: [n] bool, whether a photo has it.
        photos: their labels.
        labels: the factors.

    Returns:
        The rates by factor; values without a photo are left out.
    """
    rates: dict[str, list[Rate]] = {}
    for factor in rated_factors(labels):
        rates[factor.name] = []
        codes = factor.codes(photos[factor.name])
        for code, value in enumerate(factor.classes):
            mine = found[codes == code]
            if len(mine):
                rates[factor.name].append(Rate(value, len(mine), int(mine.sum())))
    return rates


def said(factor: str, rates: Sequence[Rate], labels: LabelSet) -> str:
    """` (wear 2/2 = 100.0%, normal 1/1 = 100.0%)`: the rates of a factor in a line."""
    parts = [f"{rate.value} {rate.found}/{rate.photos} = {rate.share:.1%}" for rate in rates]
    # Mask wear, gender and age speak for themselves; yes does not.
    plain = labels.factor(factor) in CONTEST.factors
    return f" ({'' if plain else f'{factor}: '}{', '.join(parts)})"


def area_under_curve(more: ArrayLike, less: ArrayLike, comparisons: int = 1) -> Estimate:
    """The chance that a number of `more` is larger than one of `less`, equal ones counting half.

    The interval is DeLong's (DeLong, DeLong and Clarke-Pearson 1988), each crop for itself; of several
    comparisons it holds for all together (Bonferroni).
    """
    one, other = pd.Series(np.asarray(more, float)), pd.Series(np.asarray(less, float))
    ranks = pd.concat([one, other]).rank().to_numpy()
    above = (ranks[: len(one)] - one.rank().to_numpy()) / len(other)
    below = (ranks[len(one) :] - other.rank().to_numpy()) / len(one)
    error = math.sqrt(above.var(ddof=1) / len(one) + below.var(ddof=1) / len(other))
    spread = NormalDist().inv_cdf(1 - 0.025 / comparisons) * error
    area = float(above.mean())
    return Estimate(area, max(area - spread, 0), min(area + spread, 1))


def telling(values: pd.Series, photos: pd.DataFrame, labels: LabelSet) -> Contrast | None:
    """The two values of a factor that these numbers tell apart most surely; None where they tell none apart.

    Args:
        values: [n] numbers, NaN where not known.
        photos: their labels.
        labels: the factors; those that differ among one person's photos are compared, or all if none does.
    """
    pairs = []
    for factor in rated_factors(labels):
        codes = factor.codes(photos[factor.name])
        groups = {name: values[codes == code].dropna() for code, name in enumerate(factor.classes)}
        common = {name: group for name, group in groups.items() if len(group) >= LEAST}
        pairs += [(factor.name, *pair) for pair in combinations(common.items(), 2)]
    told = []
    for factor_name, (one, ones), (other, others) in pairs:
        area = area_under_curve(ones, others, len(pairs))
        contrast = Contrast(factor_name, one, other, area)
        if area.value < 0.5:
            contrast = Contrast(factor_name, other, one, area_under_curve(others, ones, len(pairs)))
        if contrast.area.value >= TELLING and contrast.area.low > 0.5:
            told.append(contrast)
    return max(told, key=lambda contrast: contrast.area.low, default=None)
