"""Scores of answers whose truth is known, each with how far it would move with other people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.intervals import Estimate, estimate, person_counts
from faces.labels import CLASS_COUNT, CLASS_NAMES, TASKS, FloatArray, IntArray, split_classes
from infer.ensemble.tree import FACTORS
from infer.ensemble.vote import Verdict

_SENIOR = 2
"""The age band of people of 60 and older."""


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
    """Scores of one set of answers, overall and of parts of the photos."""

    overall: Group
    """macro_f1 over 18 classes, accuracy (all three factors right), and accuracy of mask, gender and age."""
    seniors: Group
    """f1, recall and precision of the age band >=60, whatever mask and gender are answered; counts are of the
    people who are that old."""
    classes: tuple[Group, ...]
    """f1 of each of the 18 classes that occur; counts are of the photos that are of it."""
    slices: Mapping[str, tuple[Group, ...]]
    """By factor, within each of its true values: macro_f1 over the classes of the two other factors, and
    accuracy (all three right). Macro F1 of different factors' slices are over different classes."""


def class_counts(
    person: IntArray, truth: IntArray, guess: IntArray, classes: int = CLASS_COUNT
) -> FloatArray:
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


def senior_counts(person: IntArray, truth: IntArray, guess: IntArray) -> dict[str, FloatArray]:
    """Counts of `faces.intervals` for f1, recall and precision of the age band >=60, by these names.

    Args:
        person: [n] numbers of people from 0.
        truth: [n] 18-class codes.
        guess: [n] 18-class codes.

    Returns:
        float32 [people, 3, 1] each.
    """
    old, called_old = (split_classes(codes)["age"] == _SENIOR for codes in (truth, guess))
    return {
        "f1": class_counts(person, old.astype(np.int64), called_old.astype(np.int64), 2)[..., 1:],
        "recall": share_counts(person, called_old, old),
        "precision": share_counts(person, old, called_old),
    }


def confidence_of(verdict: Verdict) -> FloatArray:
    """[n] probability given to the answer, in [0, 1]."""
    return np.asarray(verdict.probabilities[np.arange(len(verdict.classes)), verdict.classes])


def numbered(persons: pd.Series[str]) -> IntArray:
    """[n] numbers of people from 0, in the order of their names, so that draws depend on no order of rows."""
    return np.unique(persons.to_numpy(str), return_inverse=True)[1].astype(np.int64)


def score(
    person: IntArray, truth: IntArray, guess: IntArray, advance: Callable[[], object] = lambda: None
) -> Scores:
    """Score 18-class answers.

    Args:
        person: [n] numbers of people, from `numbered`.
        truth: [n] 18-class codes.
        guess: [n] 18-class codes.
        advance: called after each group, of which there are `count_groups`.
    """
    everyone = np.ones(len(truth), bool)
    right, true, guessed = truth == guess, split_classes(truth), split_classes(guess)
    factors = {name: true[name] == guessed[name] for name in FACTORS}

    def group(name: str, mine: NDArray[np.bool_], counts: Mapping[str, FloatArray]) -> Group:
        scores = {key: estimate([values]) for key, values in counts.items()}
        advance()
        people = len(np.unique(person[mine]))
        return Group(name=name, photos=int(mine.sum()), people=people, scores=scores)

    whole = class_counts(person, truth, guess)
    shares = {"accuracy": right, **factors}
    return Scores(
        overall=group(
            "all",
            everyone,
            {"macro_f1": whole} | {key: share_counts(person, hit, everyone) for key, hit in shares.items()},
        ),
        seniors=group(">=60", true["age"] == _SENIOR, senior_counts(person, truth, guess)),
        classes=tuple(
            group(name, truth == code, {"f1": whole[..., [code]]})
            for code, name in enumerate(CLASS_NAMES)
            if (truth == code).any()
        ),
        slices={
            factor: tuple(
                group(value, mine, _within(person, truth, guess, factor, mine, right))
                for code, value in enumerate(values)
                if (mine := true[factor] == code).any()
            )
            for factor, values in FACTORS.items()
        },
    )


def count_groups(truth: IntArray) -> int:
    """Groups of `score`: all photos, people of 60 and older, classes and slices that occur."""
    slices = [len(np.unique(codes)) for codes in split_classes(truth).values()]
    return 2 + len(np.unique(truth)) + sum(slices)


def _within(
    person: IntArray,
    truth: IntArray,
    guess: IntArray,
    factor: str,
    mine: NDArray[np.bool_],
    right: NDArray[np.bool_],
) -> dict[str, FloatArray]:
    """Counts of a slice of the photos; its people keep their numbers, so that all people are drawn."""
    others = _other_classes(truth, factor), _other_classes(guess, factor)
    size = CLASS_COUNT // len(FACTORS[factor])
    people = int(person.max()) + 1
    counts = person_counts(person[mine], others[0][mine], others[1][mine], people, size)
    return {"macro_f1": counts, "accuracy": share_counts(person, right, mine)}


def _other_classes(classes: IntArray, factor: str) -> IntArray:
    """[n] classes of the two other factors."""
    codes, sizes = split_classes(classes), dict(zip(FACTORS, TASKS["class18"].sizes, strict=True))
    kept = [name for name in FACTORS if name != factor]
    joined = np.ravel_multi_index([codes[name] for name in kept], [sizes[name] for name in kept])
    return joined.astype(np.int64)
