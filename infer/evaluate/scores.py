"""Scores of answers whose truth is known, each with how far it would move with other people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.intervals import Estimate, estimate, person_counts
from faces.labels import FloatArray, IntArray, Task
from faces.projection import split_classes
from infer.ensemble.vote import Verdict


@dataclass(frozen=True, kw_only=True)
class Group:
    """Scores over some of the photos."""

    name: str
    """Name of the class, value or people that the photos have in common."""
    photos: int
    people: int
    scores: Mapping[str, Estimate]
    """By name of the score, each in [0, 1]; NaN where it is of nothing."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of one set of answers in one task, overall and of parts of the photos."""

    overall: Group
    """macro_f1 over the task's classes, accuracy (all factors right) and, of several, that of each factor."""
    last_bands: Mapping[str, Group]
    """By factor that is a number, of its last band: f1, recall and precision, whatever the other factors are
    answered; counts are of the photos in it. The contest's is the age band >=60."""
    classes: tuple[Group, ...]
    """f1 of each of the classes that occur; counts are of the photos that are of it."""
    slices: Mapping[str, tuple[Group, ...]]
    """By factor, within each of its true values: macro_f1 over the classes of the other factors, and accuracy
    (all right). Macro F1 of different factors' slices are over different classes. None of a single factor."""


def class_counts(person: IntArray, truth: IntArray, guess: IntArray, classes: int) -> FloatArray:
    """Counts of `faces.intervals` for a macro F1.

    Args:
        person: [n] numbers of people from 0.
        truth: [n] classes in [0, classes).
        guess: [n] classes in [0, classes).
        classes: how many there are.

    Returns:
        float32 [people, 3, classes].
    """
    return person_counts(person, truth, guess, int(person.max()) + 1, classes)


def share_counts(person: IntArray, hit: NDArray[np.bool_], among: NDArray[np.bool_]) -> FloatArray:
    """Counts of `faces.intervals` whose F1 is the share of hits: 2 hits / (all + all).

    Args:
        person: [n] numbers of people from 0.
        hit: [n] whether a photo counts as a hit.
        among: [n] which photos are looked at.

    Returns:
        float32 [people, 3, 1].
    """
    size = int(person.max()) + 1
    hits, looked_at = (np.bincount(person[mine], minlength=size) for mine in (hit & among, among))
    return np.stack([hits, looked_at, looked_at], 1)[..., None].astype(np.float32)


def last_bands(task: Task) -> dict[str, str]:
    """The last band of each factor of a task that is a number, shortly: age is 60+ in the contest. Of several
    numbers the factor stands in front."""
    numbers = [part for part in task.parts if part.edges]
    return {
        part.factor.name: f"{part.factor.name if len(numbers) > 1 else ''} {part.edges[-1]:g}+".strip()
        for part in numbers
    }


def band_counts(
    person: IntArray, truth: IntArray, guess: IntArray, task: Task, factor: str
) -> dict[str, FloatArray]:
    """Counts of `faces.intervals` for f1, recall and precision of a number's last band, by these names.

    Args:
        person: [n] numbers of people from 0.
        truth: [n] classes of the task.
        guess: [n] classes of the task.
        task: which.
        factor: one of its factors, a number.

    Returns:
        float32 [people, 3, 1] each.
    """
    is_last, called_last = (_is_last(classes, task, factor) for classes in (truth, guess))
    return {
        "f1": class_counts(person, is_last.astype(np.int64), called_last.astype(np.int64), 2)[..., 1:],
        "recall": share_counts(person, called_last, is_last),
        "precision": share_counts(person, is_last, called_last),
    }


def _is_last(classes: IntArray, task: Task, factor: str) -> NDArray[np.bool_]:
    last = task.sizes[task.factors.index(factor)] - 1
    return np.asarray(split_classes(classes, task)[factor] == last)


def confidence_of(verdict: Verdict) -> FloatArray:
    """[n] probability given to the answer, in [0, 1]."""
    return np.asarray(verdict.probabilities[np.arange(len(verdict.classes)), verdict.classes])


def numbered(persons: pd.Series[str]) -> IntArray:
    """[n] numbers of people from 0, in the order of their names, so that draws depend on no order of rows."""
    return np.unique(persons.to_numpy(str), return_inverse=True)[1].astype(np.int64)


def score(
    person: IntArray,
    truth: IntArray,
    guess: IntArray,
    task: Task,
    advance: Callable[[], object] = lambda: None,
) -> Scores:
    """Score answers to photos whose class is known.

    Args:
        person: [n] numbers of people, from `numbered`.
        truth: [n] classes of the task, n at least 1.
        guess: [n] classes of the task.
        task: which.
        advance: called after each group, of which there are `count_groups`.
    """
    scorer = _Scorer(person, truth, guess, task, advance)
    return Scores(
        overall=scorer.overall(),
        last_bands=scorer.last_bands(),
        classes=scorer.classes(),
        slices=scorer.slices(),
    )


@dataclass(frozen=True)
class _Scorer:
    """Scores the groups of one set of answers; the arguments of `score`."""

    person: IntArray
    truth: IntArray
    guess: IntArray
    task: Task
    advance: Callable[[], object]

    def overall(self) -> Group:
        everyone = np.ones(len(self.truth), bool)
        counts = {
            "macro_f1": class_counts(self.person, self.truth, self.guess, len(self.task.classes)),
            "accuracy": share_counts(self.person, self.truth == self.guess, everyone),
        }
        if len(self.task.factors) > 1:
            true, guessed = split_classes(self.truth, self.task), split_classes(self.guess, self.task)
            counts |= {
                name: share_counts(self.person, true[name] == guessed[name], everyone) for name in true
            }
        return self._group("all", everyone, counts)

    def last_bands(self) -> dict[str, Group]:
        parts = dict(zip(self.task.factors, self.task.parts, strict=True))
        return {
            factor: self._group(
                parts[factor].classes[-1],
                _is_last(self.truth, self.task, factor),
                band_counts(self.person, self.truth, self.guess, self.task, factor),
            )
            for factor in last_bands(self.task)
        }

    def classes(self) -> tuple[Group, ...]:
        whole = class_counts(self.person, self.truth, self.guess, len(self.task.classes))
        return tuple(
            self._group(name, mine, {"f1": whole[..., [code]]})
            for code, name in enumerate(self.task.classes)
            if (mine := self.truth == code).any()
        )

    def slices(self) -> dict[str, tuple[Group, ...]]:
        if len(self.task.factors) == 1:
            return {}
        true = split_classes(self.truth, self.task)
        return {
            part.factor.name: tuple(
                self._group(value, mine, self._within(part.factor.name, mine))
                for code, value in enumerate(part.classes)
                if (mine := true[part.factor.name] == code).any()
            )
            for part in self.task.parts
        }

    def _group(self, name: str, mine: NDArray[np.bool_], counts: Mapping[str, FloatArray]) -> Group:
        scores = {key: estimate([values]) for key, values in counts.items()}
        self.advance()
        people = len(np.unique(self.person[mine]))
        return Group(name=name, photos=int(mine.sum()), people=people, scores=scores)

    def _within(self, factor: str, mine: NDArray[np.bool_]) -> dict[str, FloatArray]:
        """Counts of a slice of the photos; its people keep their numbers, so that all people are drawn."""
        true, guessed = (_other_classes(codes, self.task, factor)[mine] for codes in (self.truth, self.guess))
        size = len(self.task.classes) // self.task.sizes[self.task.factors.index(factor)]
        people = int(self.person.max()) + 1
        return {
            "macro_f1": person_counts(self.person[mine], true, guessed, people, size),
            "accuracy": share_counts(self.person, self.truth == self.guess, mine),
        }


def count_groups(truth: IntArray, task: Task) -> int:
    """Groups of `score`: all photos, last bands of numbers, classes and slices that occur."""
    slices = [len(np.unique(codes)) for codes in split_classes(truth, task).values()]
    several = len(task.factors) > 1
    return 1 + len(last_bands(task)) + len(np.unique(truth)) + (sum(slices) if several else 0)


def _other_classes(classes: IntArray, task: Task, factor: str) -> IntArray:
    """[n] classes of the other factors."""
    codes, sizes = split_classes(classes, task), dict(zip(task.factors, task.sizes, strict=True))
    kept = [name for name in task.factors if name != factor]
    joined = np.ravel_multi_index([codes[name] for name in kept], [sizes[name] for name in kept])
    return joined.astype(np.int64)
