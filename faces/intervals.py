"""A score with its interval: how far it would move with other people, who are drawn again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from faces.labels import FloatArray, IntArray

DRAWS = 1000
SEED = 0
"""Seed of the draws of people; one for all scores, so that differences are paired."""
FEW = 100
"""People below which intervals are known to be too narrow."""
_DRAWN_AT_ONCE = 4_000_000
"""People drawn in one piece: 32 MB."""
_NO_SPREAD = 1e-18
"""Sum of squares below which scores without one person differ by rounding alone."""
_LEFT_OUT_AT_ONCE = 10_000
"""People left out in one piece: 4 MB of each count of 18 classes."""


@dataclass(frozen=True)
class Estimate:
    """A score or a difference of two, and its 95 % interval over people."""

    value: float
    low: float
    high: float
    people: int = field(default=0, compare=False)
    """Who were counted; 0 where nobody says."""

    @property
    def caution(self) -> str:
        """What is to be said beside an interval of few people, "" of many. How often it holds the truth was
        simulated by `pytest -m slow tests/faces/test_intervals.py`."""
        if not 0 < self.people < FEW:
            return ""
        return (
            f"only {self.people} people: below {FEW} intervals are too narrow, as rare classes are one or "
            "two people; simulated, those of 60 people hold the true macro F1 86 times in 100 instead of 95"
        )

    def __str__(self) -> str:
        """`0.642 [0.487, 0.699]`."""
        return f"{self.value:.3f} {self.interval}"

    @property
    def interval(self) -> str:
        """`[0.487, 0.699]`."""
        return f"[{self.low:.3f}, {self.high:.3f}]"

    @property
    def signed(self) -> str:
        """`+0.012 [-0.031, +0.055]`: a difference."""
        return f"{self.value:+.3f} {self.signed_interval}"

    @property
    def signed_interval(self) -> str:
        """`[-0.031, +0.055]`."""
        return f"[{self.low:+.3f}, {self.high:+.3f}]"


def person_counts(
    person: IntArray, truth: IntArray, guess: IntArray, people: int, class_count: int
) -> FloatArray:
    """What macro F1 is computed from, by person, so that a draw of people is a sum.

    Args:
        person: [n] numbers of the photos' people in [0, people).
        truth: [n] classes in [0, class_count).
        guess: [n] classes in [0, class_count).
        people: how many people there are; those without a photo count nothing.
        class_count: number of classes.

    Returns:
        float32 [people, 3, class_count]: photos guessed rightly, photos of the class, and photos guessed
        to be it.
    """
    cells = people * class_count
    places = (person[truth == guess] * class_count + truth[truth == guess], person * class_count + truth)
    counts = [np.bincount(p, minlength=cells) for p in (*places, person * class_count + guess)]
    return np.stack([c.reshape(people, class_count) for c in counts], axis=1).astype(np.float32)


def f1_of_counts(counts: FloatArray) -> FloatArray:
    """F1 of each class, 2 right / (true + guessed).

    Args:
        counts: [..., 3, classes] as `person_counts` gives them, summed over people.

    Returns:
        float64 [..., classes] in [0, 1], NaN where a class is neither there nor guessed.
    """
    right, true, guessed = np.moveaxis(np.asarray(counts, np.float64), -2, 0)
    total = true + guessed
    f1: FloatArray = np.divide(2 * right, total, out=np.full_like(total, np.nan), where=total > 0)
    return f1


def mean_f1(counts: FloatArray) -> FloatArray:
    """[...] macro F1 of [..., 3, classes] counts: the mean over classes that occur, NaN where none does.

    The same as `faces.scores.macro_f1`.
    """
    values = f1_of_counts(counts)
    occurring = ~np.isnan(values)
    total = np.nansum(values, axis=-1)
    none = np.full_like(total, np.nan)
    mean: FloatArray = np.divide(total, occurring.sum(-1), out=none, where=occurring.any(-1))
    return mean


def pooled_f1(parts: Sequence[FloatArray]) -> float:
    """Mean over `parts` of the macro F1 of all people.

    Args:
        parts: [people, 3, classes] counts each: of several heads, or of several seeds of one recipe.
    """
    return float(np.mean([mean_f1(part.sum(0)) for part in parts]))


def drawn_f1(parts: Sequence[FloatArray], *, draws: int = DRAWS, seed: int = SEED) -> FloatArray:
    """`pooled_f1` of people drawn with replacement, as many as there are.

    Photos of one person are much alike, so people are drawn and not photos: otherwise intervals would be too
    narrow. Equal numbers of people, draws and seeds mean the same people in each draw, so that differences
    of two results are paired.

    Args:
        parts: [people, 3, classes] counts each, of the same people in the same order.
        draws: how often.
        seed: of the draws.

    Returns:
        float64 [draws] in [0, 1].
    """
    people = len(parts[0])
    random = np.random.default_rng(seed)
    scores: list[FloatArray] = []
    step = max(1, _DRAWN_AT_ONCE // people)
    for first in range(0, draws, step):
        size = min(step, draws - first)
        drawn = random.integers(people, size=(size, people)) + np.arange(size)[:, None] * people
        times = np.bincount(drawn.ravel(), minlength=size * people).reshape(size, people).astype(np.float32)
        sums = [(times @ part.reshape(people, -1)).reshape(size, *part.shape[1:]) for part in parts]
        scores.append(np.mean([mean_f1(total) for total in sums], axis=0))
    return np.concatenate(scores)


def left_out_f1(parts: Sequence[FloatArray]) -> FloatArray:
    """float64 [people] `pooled_f1` without each of the people in turn; NaN where nobody else is counted."""
    scores: list[FloatArray] = []
    for first in range(0, len(parts[0]), _LEFT_OUT_AT_ONCE):
        without = slice(first, first + _LEFT_OUT_AT_ONCE)
        scores.append(np.mean([mean_f1(part.sum(0) - part[without]) for part in parts], axis=0))
    return np.concatenate(scores)


def interval(value: float, drawn: FloatArray, left_out: FloatArray) -> tuple[float, float]:
    """The bias-corrected and accelerated 95 % interval (BCa, Efron 1987).

    Against the percentiles of the draws it allows for draws that lie lower on average than the score, as they
    do where they miss all of a rare class, and for people who count more than others.

    Args:
        value: the score or difference.
        drawn: [draws] of people drawn with replacement.
        left_out: [people] without each of them.
    """
    from scipy.special import ndtr, ndtri  # takes long to import, for which --help should not wait

    drawn, left_out = drawn[~np.isnan(drawn)], left_out[~np.isnan(left_out)]
    if not len(drawn):
        return float("nan"), float("nan")
    below = (np.count_nonzero(drawn < value) + np.count_nonzero(drawn <= value)) / 2 / len(drawn)
    bias = ndtri(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    influence = left_out.mean() - left_out if len(left_out) else left_out
    spread = np.square(influence).sum()
    acceleration = (influence**3).sum() / (6 * spread**1.5) if spread > _NO_SPREAD else 0.0
    shifted = bias + ndtri((0.025, 0.975))
    low, high = np.quantile(drawn, ndtr(bias + shifted / (1 - acceleration * shifted)))
    return float(low), float(high)


def estimate(parts: Sequence[FloatArray]) -> Estimate:
    """`pooled_f1` with its interval; NaN where nobody is counted.

    Args:
        parts: [people, 3, classes] counts each, as `person_counts` gives them, of the same people.
    """
    if not any(part.any() for part in parts):
        return Estimate(float("nan"), float("nan"), float("nan"))
    value = pooled_f1(parts)
    return Estimate(value, *interval(value, drawn_f1(parts), left_out_f1(parts)), _counted(parts))


def gain(one: Sequence[FloatArray], other: Sequence[FloatArray]) -> Estimate:
    """`pooled_f1` of `one` less that of `other`, with its paired interval.

    Args:
        one: [people, 3, classes] counts each.
        other: counts of the same people in the same order.
    """
    value = pooled_f1(one) - pooled_f1(other)
    drawn, left_out = drawn_f1(one) - drawn_f1(other), left_out_f1(one) - left_out_f1(other)
    return Estimate(value, *interval(value, drawn, left_out), _counted([*one, *other]))


def _counted(parts: Sequence[FloatArray]) -> int:
    """How many people have a photo in any of the counts."""
    return int(np.any([part.any((1, 2)) for part in parts], axis=0).sum())
