"""How many photos of each value every fold has, for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from faces.labels import IntArray, LabelSet
from faces.pages.charts import in_title


@dataclass(frozen=True)
class FoldLine:
    """A fold's photos of the values of a factor."""

    fold: int
    counts: list[int]
    shares: list[float]
    """Of the fold's photos whose value is known, 0 to 1."""


@dataclass(frozen=True)
class FactorFolds:
    """A factor's values by fold."""

    title: str
    values: Sequence[str]
    lines: list[FoldLine]


@dataclass(frozen=True)
class FoldCounts:
    """How photos and people are divided into folds."""

    people: list[tuple[int, int, int]]
    """Fold, people, photos."""
    factors: list[FactorFolds]


def count_folds(photos: pd.DataFrame, labels: LabelSet) -> FoldCounts:
    """Count the photos of each fold.

    Args:
        photos: columns person, fold and a label of each factor.
        labels: the factors.
    """
    folds = sorted(int(fold) for fold in photos["fold"].unique())
    people = [
        (fold, int(mine["person"].nunique()), len(mine))
        for fold in folds
        for mine in [photos[photos["fold"] == fold]]
    ]
    factors = []
    for factor in labels.factors:
        codes = factor.codes(photos[factor.name])
        lines = [
            _line(fold, codes[(photos["fold"] == fold).to_numpy()], len(factor.classes)) for fold in folds
        ]
        factors.append(FactorFolds(in_title(factor.name), factor.classes, lines))
    return FoldCounts(people, factors)


def _line(fold: int, codes: IntArray, size: int) -> FoldLine:
    counts = np.bincount(codes[codes >= 0], minlength=size)
    return FoldLine(fold, counts.tolist(), (counts / max(counts.sum(), 1)).tolist())
