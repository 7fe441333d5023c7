"""At which probability one voter may change a factor of another: every threshold that makes a difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faces.intervals import mean_f1, person_counts
from faces.labels import FloatArray, IntArray, Task
from faces.projection import split_classes

TRIED: Final = 101
"""Thresholds that are tried where they are tried one by one."""


@dataclass(frozen=True, kw_only=True)
class Flips:
    """What an override does to n photos: it sets its category where a probability is above the threshold."""

    probability: FloatArray
    """[n] probability that the voter gives to the category."""
    before: IntArray
    """[n] answers where it does not."""
    after: IntArray
    """[n] answers where it sets the category."""

    def answers(self, above: float) -> IntArray:
        """[n] answers at a threshold."""
        return np.where(self.probability > above, self.after, self.before)

    def part(self, rows: IntArray) -> Flips:
        """The flips of some photos only."""
        return Flips(probability=self.probability[rows], before=self.before[rows], after=self.after[rows])


@dataclass(frozen=True, kw_only=True)
class ThresholdScores:
    """Scores at every threshold that answers differently, from the lowest on."""

    above: FloatArray
    """[t] thresholds, each halfway between two probabilities."""
    macro_f1: FloatArray
    """[t] macro F1 over the task's classes."""
    recall: FloatArray
    """[t] share of photos of the category that are answered so; NaN where there are none."""
    precision: FloatArray
    """[t] share of photos answered so that are of the category; NaN where there are none."""

    @property
    def best(self) -> int:
        """Place of the largest macro F1, of equal ones that of the highest threshold: it changes least."""
        leading = np.flatnonzero(self.macro_f1 >= self.macro_f1.max() - 1e-12)
        return int(leading[-1])


def score_thresholds(flips: Flips, truth: IntArray, task: Task, factor: str, code: int) -> ThresholdScores:
    """Score all thresholds in one pass over the photos, the surest first.

    With probabilities (.2, .6), both photos changed for the better, thresholds are .1, .4 and .8, and .1 is
    the best. The last, at which nothing is changed, is left out where a probability is 1.

    Args:
        flips: what the override changes of n photos.
        truth: [n] classes of the task.
        task: that the override's base votes on.
        factor: the one that it changes.
        code: code of the factor's value that the override sets.
    """
    # float32 probabilities of nearly 1 have no float32 number between them and 1.
    sure = flips.probability.astype(np.float64)
    touched = np.flatnonzero((flips.before != flips.after) & (sure > 0))
    touched = touched[np.argsort(-sure[touched], kind="stable")]
    values, ends = _steps(sure[touched])
    bounds = np.concatenate([[1.0], values, [0.0]])
    above = (bounds[:-1] + bounds[1:]) / 2
    counts = _counts(flips, truth, touched, len(task.classes))[ends]
    is_of, before, after = (
        split_classes(classes, task)[factor] == code for classes in (truth, flips.before, flips.after)
    )
    hits, called = _category(is_of, before, after, touched)
    there = int(is_of.sum())
    usable = np.flatnonzero(above < 1)[::-1]
    return ThresholdScores(
        above=above[usable],
        macro_f1=mean_f1(counts)[usable],
        recall=_share(hits[ends], np.full(len(ends), there))[usable],
        precision=_share(hits[ends], called[ends])[usable],
    )


def score_each(
    answers: Callable[[float], IntArray],
    probability: FloatArray,
    truth: IntArray,
    task: Task,
    factor: str,
    code: int,
) -> ThresholdScores:
    """`score_thresholds` of an override that several voices make each for itself, before they are counted.

    Its answers are asked for at one threshold after the other.

    Args:
        answers: [n] at a threshold.
        probability: [n] mean probability that the voters give to the category; `TRIED` quantiles are tried.
        truth: [n] classes of the task.
        task: that the override's base votes on.
        factor: the one that it changes.
        code: code of the factor's value that the override sets.
    """
    above = np.unique(np.quantile(probability.astype(np.float64), np.linspace(0, 1, TRIED)))
    above = above[above < 1]
    said = np.stack([answers(float(each)) for each in above])
    nobody, is_of = np.zeros(len(truth), np.int64), split_classes(truth, task)[factor] == code
    called = np.stack([split_classes(each, task)[factor] == code for each in said])
    hits = (called & is_of).sum(1)
    return ThresholdScores(
        above=above,
        macro_f1=np.array([mean_f1(person_counts(nobody, truth, g, 1, len(task.classes))[0]) for g in said]),
        recall=_share(hits, np.full(len(above), is_of.sum())),
        precision=_share(hits, called.sum(1)),
    )


def _steps(falling: FloatArray) -> tuple[FloatArray, IntArray]:
    """Distinct values of a falling series, and how many photos are changed above the first, the second, ...,
    and at last all."""
    values, counts = np.unique(falling, return_counts=True)
    return values[::-1], np.concatenate([[0], np.cumsum(counts[::-1])]).astype(np.int64)


def _counts(flips: Flips, truth: IntArray, touched: IntArray, classes: int) -> FloatArray:
    """[photos touched + 1, 3, classes] counts of `faces.intervals` after 0, 1, 2 ... photos are changed."""
    nobody = np.zeros(len(truth), np.int64)
    start = person_counts(nobody, truth, flips.before, 1, classes)[0]
    change = np.zeros((len(touched) + 1, 3, classes))
    change[0] = start
    each = np.arange(1, len(touched) + 1)
    true, before, after = truth[touched], flips.before[touched], flips.after[touched]
    change[each, 2, before] -= 1
    change[each, 2, after] += 1
    change[each, 0, true] += (after == true).astype(np.int64) - (before == true)
    counts: FloatArray = change.cumsum(0)
    return counts


def _category(
    is_of: NDArray[np.bool_], before: NDArray[np.bool_], after: NDArray[np.bool_], touched: IntArray
) -> tuple[IntArray, IntArray]:
    """[photos touched + 1] photos rightly answered to be of the category, and all answered so."""
    gained = after[touched].astype(np.int64) - before[touched]
    hits = np.concatenate([[int((before & is_of).sum())], gained * is_of[touched]]).cumsum()
    return hits, np.concatenate([[int(before.sum())], gained]).cumsum()


def _share(part: IntArray, whole: NDArray[np.integer]) -> FloatArray:
    none = np.full(len(part), np.nan)
    share: FloatArray = np.divide(part, whole, out=none, where=whole > 0)
    return share
