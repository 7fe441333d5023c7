"""Probably wrong labels, by confident learning (Northcutt, Jiang and Chuang 2021) on answers out of fold."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.factors import Factor
from faces.labels import FloatArray, IntArray


@dataclass(frozen=True)
class Units:
    """What bears a label: a photo, or of a factor that is one per person, a person."""

    rows: list[IntArray]
    """By unit: places of its photos in the answers."""
    labels: IntArray
    """[units] int64 class that each is labelled with."""
    probabilities: FloatArray
    """[units, classes]: of a person the mean over the photos (soft vote)."""
    named: NDArray[np.bool_]
    """[units] whether a unit is a person by name, whom a correction may name."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A unit whose label is not what the networks answer."""

    rows: IntArray
    """Places of its photos in the answers."""
    given: int
    """The class that it is labelled with."""
    suggested: int
    """The class of the largest probability."""
    quality: float
    """Probability of the class given: cleanlab's self-confidence, by which suspects are ranked."""
    confidence: float
    """Probability of the class suggested."""
    flagged: bool
    """Whether confident learning takes the label for wrong."""
    named: bool
    """Whether the whole person is meant."""


def units_of(photos: pd.DataFrame, factor: Factor, codes: IntArray, probabilities: FloatArray) -> Units:
    """Who bears the labels of a factor; photos without one are left out.

    Args:
        photos: [n] with person and source; a photo of nobody named is its own person.
        factor: one per photo, or per person.
        codes: [n] classes, `UNKNOWN` where not known.
        probabilities: [n, classes].
    """
    known = np.flatnonzero(codes >= 0)
    if factor.per == "photo":
        rows = [np.array([row]) for row in known]
        return Units(rows, codes[known], probabilities[known], np.zeros(len(known), bool))
    people = photos["person"].to_numpy(object)
    groups = pd.Series(known).groupby(people[known], sort=False)
    rows = [group.to_numpy(np.int64) for _, group in groups]
    # Caches of before may hold a person of two bands: the one of most photos is theirs.
    labels = np.array([np.bincount(codes[each]).argmax() for each in rows], np.int64)
    sources = photos["source"].to_numpy(object)
    return Units(
        rows,
        labels,
        np.array([probabilities[each].mean(0) for each in rows]),
        np.array([people[each[0]] != sources[each[0]] for each in rows], bool),
    )


def quality_of(units: Units) -> FloatArray:
    """[units] cleanlab's label quality, 0 to 1: the self-confidence, lowest where a label is most suspect."""
    from cleanlab.rank import get_label_quality_scores

    quality: FloatArray = get_label_quality_scores(
        units.labels, _proper(units.probabilities), method="self_confidence"
    )
    return quality


def suspects_of(units: Units) -> list[Suspect]:
    """Units whose label is not what the networks answer, the most suspect first.

    Those that confident learning takes for wrong are flagged: a class counts as answered where its
    probability reaches the mean of those that are labelled with it; how many are wrong of each pair of
    classes follows from the calibrated counts, and which ones, from the margin between both (cleanlab's
    filter `prune_by_noise_rate`).
    """
    # cleanlab imports for seconds.
    from cleanlab.filter import find_label_issues

    probabilities = _proper(units.probabilities)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with few labels, of which none is flagged
        flagged = find_label_issues(units.labels, probabilities, n_jobs=1)
    quality, answered = quality_of(units), probabilities.argmax(1)
    return [
        Suspect(
            rows=units.rows[place],
            given=int(units.labels[place]),
            suggested=int(answered[place]),
            quality=float(quality[place]),
            confidence=float(probabilities[place].max()),
            flagged=bool(flagged[place]),
            named=bool(units.named[place]),
        )
        for place in np.argsort(quality, kind="stable")
        if answered[place] != units.labels[place]
    ]


def _proper(probabilities: FloatArray) -> FloatArray:
    """float64 rows that sum to 1, which cleanlab asks for."""
    exact = np.asarray(probabilities, np.float64)
    proper: FloatArray = exact / exact.sum(1, keepdims=True)
    return proper
