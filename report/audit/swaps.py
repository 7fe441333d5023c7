"""Photos of one person whose labels are probably each other's, as of `incorrect` and `normal`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from faces.labels import FloatArray, IntArray


@dataclass(frozen=True)
class Swap:
    """Two photos of one person."""

    rows: tuple[int, int]
    """Their places in the answers."""
    given: tuple[int, int]
    """Classes that they are labelled with; the networks answer these the other way round."""
    probability: float
    """Of the swap, as against both labels being right: p1[b] p2[a] / (p1[a] p2[b] + p1[b] p2[a])."""


def swaps_of(people: pd.Series, codes: IntArray, probabilities: FloatArray) -> list[Swap]:
    """Pairs of photos with two labels, each of which the networks give to the other; each photo once.

    Args:
        people: [n] whose photo each is.
        codes: [n] classes of a factor that differs from photo to photo, `UNKNOWN` where not known.
        probabilities: [n, classes].

    Returns:
        The most probable first, of equals the one that comes first.
    """
    answered = probabilities.argmax(1)
    wrong = np.flatnonzero((codes >= 0) & (answered != codes))
    found = []
    for _, group in pd.Series(wrong).groupby(people.to_numpy(object)[wrong], sort=False):
        for one, other in combinations(group.tolist(), 2):
            first, second = int(codes[one]), int(codes[other])
            if answered[one] == second and answered[other] == first:
                kept = float(probabilities[one, first]) * float(probabilities[other, second])
                swapped = float(probabilities[one, second]) * float(probabilities[other, first])
                found.append(Swap((one, other), (first, second), swapped / (swapped + kept)))
    chosen: list[Swap] = []
    taken: set[int] = set()
    for swap in sorted(found, key=lambda swap: (-swap.probability, swap.rows)):
        if not taken & {*swap.rows}:
            chosen.append(swap)
            taken |= {*swap.rows}
    return chosen
