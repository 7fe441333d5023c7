"""One photo that stands under two people or two labels: at least one of them is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.cache.writer import DETECTED
from faces.labels import IntArray, LabelSet
from preprocess.look.duplicates import NEAR, alike, owners


@dataclass(frozen=True)
class Twins:
    """Two crops that look alike, bit for bit or nearly."""

    rows: tuple[int, int]
    """Of the cache."""
    distance: int
    """Hamming distance of their 64-bit perceptual hashes; 0 of equal ones."""
    other_person: bool
    differing: tuple[str, ...]
    """Factors of which both are labelled, and differently."""


def twins_of(crops: pd.DataFrame, hashes: NDArray[np.uint64], labels: LabelSet) -> list[Twins]:
    """Pairs of look-alikes of different people, and of equal hashes with different labels.

    Args:
        crops: [n] with source, person, status and labels; crops without a face found are left out, as what
            lies behind people looks alike.
        hashes: [n] of `preprocess.look.survey`.
        labels: the factors.

    Returns:
        Those of two people with differing labels first, then the closest.
    """
    owner = owners(crops)
    codes = {factor.name: factor.codes(crops[factor.name]) for factor in labels.factors}
    each = np.arange(len(crops))
    label = np.unique(np.stack([*codes.values()], 1), axis=0, return_inverse=True)[1].reshape(-1)
    found: dict[tuple[int, int], Twins] = {}
    # One person's photos of one sitting differ by few bits, with a mask and without: only equal ones count.
    for group, near in ((owner, NEAR), (label, 0)):
        pairs = alike(hashes, group, each, near=near)
        for (one, other), distance in zip(pairs.rows.tolist(), pairs.distances.tolist(), strict=True):
            differing = tuple(name for name, code in codes.items() if _contradict(code, one, other))
            other_person = bool(owner[one] != owner[other]) and _both_named(crops, one, other)
            if (other_person or differing) and _both_found(crops, one, other):
                found[one, other] = Twins((one, other), distance, other_person, differing)
    return sorted(found.values(), key=lambda t: (not (t.other_person and t.differing), t.distance, t.rows))


def _contradict(codes: IntArray, one: int, other: int) -> bool:
    return bool(codes[one] >= 0 and codes[other] >= 0 and codes[one] != codes[other])


def _both_named(crops: pd.DataFrame, one: int, other: int) -> bool:
    return all(crops["person"].iloc[row] not in ("", crops["source"].iloc[row]) for row in (one, other))


def _both_found(crops: pd.DataFrame, one: int, other: int) -> bool:
    return all(crops["status"].iloc[row] == DETECTED for row in (one, other))
