"""The answers to the photos of a page, factor by factor, and which photos are shown where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.labels import FloatArray, IntArray, Task
from faces.plots import class_names, value_names
from faces.projection import split_classes
from infer.answers.words import headings, part_shares
from infer.ensemble.vote import Verdict
from infer.predict.runs import Run
from report.subject import Subject

SHOWN = 24
"""Photos in a gallery."""


@dataclass(frozen=True)
class Answers:
    """Answers to the n photos of a page; places count the photos scored, from 0."""

    subject: Subject

    @property
    def task(self) -> Task:
        """What was answered."""
        return self.subject.scored.task

    @cached_property
    def photos(self) -> pd.DataFrame:
        """[n] rows: key, image_id, person, labels, row (of the cache) and fold."""
        scored = self.subject.scored
        return scored.plan.photos[scored.known].reset_index(drop=True)

    @cached_property
    def opened(self) -> Run:
        """The run that is opened up for a look inside: the first that left out a photo scored."""
        folds = {*self.photos["fold"].tolist()}
        return next(run for run in self.subject.every_run if run.card.fold in folds)

    @property
    def truth(self) -> IntArray:
        """[n] true classes."""
        return self.subject.scored.truth

    @property
    def verdict(self) -> Verdict:
        """What was answered."""
        return self.subject.verdict

    @cached_property
    def wrong(self) -> NDArray[np.bool_]:
        """[n] whether any factor is answered wrongly."""
        return np.asarray(self.truth != self.verdict.classes)

    @cached_property
    def confidence(self) -> FloatArray:
        """[n] probability given to the answer."""
        return np.asarray(self.verdict.probabilities[np.arange(len(self.truth)), self.verdict.classes])

    @cached_property
    def margin(self) -> FloatArray:
        """[n] probability of the likeliest class less that of the next: 0 where nothing is decided."""
        two = np.partition(self.verdict.probabilities, -2, axis=1)[:, -2:]
        return np.asarray(two[:, 1] - two[:, 0])

    @cached_property
    def names(self) -> list[str]:
        """What each part of the task is called."""
        return list(headings(self.task))

    @cached_property
    def values(self) -> list[list[str]]:
        """Names of the values of each part."""
        return [list(values) for values in value_names(self.task)]

    @cached_property
    def classes(self) -> list[str]:
        """Names of the classes of the task."""
        return class_names(self.task)

    @cached_property
    def true_parts(self) -> list[IntArray]:
        """[n] true places among the values of each part."""
        return [*split_classes(self.truth, self.task).values()]

    @cached_property
    def answered_parts(self) -> list[IntArray]:
        """[n] answered places among the values of each part."""
        return [*split_classes(self.verdict.classes, self.task).values()]

    @cached_property
    def shares(self) -> list[FloatArray]:
        """[n, values] probabilities of the values of each part."""
        return part_shares(self.verdict.probabilities, self.task)


@dataclass(frozen=True)
class Gallery:
    """Photos that have something in common."""

    key: str
    """The section's anchor."""
    title: str
    about: str
    places: list[int]
    total: int
    """How many photos there are of which these are some."""


def galleries(answers: Answers) -> list[Gallery]:
    """The most confident errors, the most uncertain answers, and typical right ones, class by class."""
    errors = _one_each(answers, _first(np.flatnonzero(answers.wrong), -answers.confidence))
    unsure = _one_each(answers, _first(np.arange(len(answers.truth)), answers.margin))
    right = _typical(answers)
    return [
        Gallery(
            "confident-errors",
            "Confident errors",
            "Wrong answers of the highest probability, one of each person. Is the label right? Is the face "
            "cut well?",
            errors[:SHOWN],
            int(answers.wrong.sum()),
        ),
        Gallery(
            "uncertain",
            "Most uncertain",
            "Answers whose probability is least above that of the next class, right or wrong, one of each "
            "person.",
            unsure[:SHOWN],
            len(answers.truth),
        ),
        Gallery(
            "typical",
            "Typical right answers",
            "Of the right answers of each class those whose probability is the middle one, different people "
            "first.",
            right[:SHOWN],
            int((~answers.wrong).sum()),
        ),
    ]


def _first(places: IntArray, by: FloatArray) -> list[int]:
    """Places by rising value; of equals the earlier photo first."""
    return [int(place) for place in places[np.argsort(by[places], kind="stable")]]


def _one_each(answers: Answers, places: list[int]) -> list[int]:
    """The first of each person: photos of one are much alike, and a wrong label is wrong in all of them."""
    persons = answers.photos["person"].iloc[places]
    return [place for place, again in zip(places, persons.duplicated(), strict=True) if not again]


def _typical(answers: Answers) -> list[int]:
    """Right answers nearest to the median confidence of their class, in turns of the classes."""
    ranks: list[tuple[int, int, int]] = []
    persons = answers.photos["person"].to_numpy(str)
    for code in np.unique(answers.truth):
        mine = np.flatnonzero((answers.truth == code) & ~answers.wrong)
        if len(mine):
            distance = np.abs(answers.confidence - np.median(answers.confidence[mine]))
            ordered = _first(mine, distance)
            again = pd.Series(persons[ordered]).duplicated().to_numpy()
            ordered = [ordered[at] for at in np.argsort(again, kind="stable")]
            ranks += [(rank, int(code), place) for rank, place in enumerate(ordered[:SHOWN])]
    return [place for _, _, place in sorted(ranks)]


def in_order_of_need(answers: Answers, first: Iterable[int], most: int) -> list[int]:
    """The places whose photos stand in the page: those named, then errors, the most confident first, then the
    right answers spread evenly; all of them where there are no more than `most`."""
    errors = _first(np.flatnonzero(answers.wrong), -answers.confidence)
    right = np.flatnonzero(~answers.wrong)
    # Every k-th of them first, so that what is cut off is of no one person, fold or class.
    spread = right[np.argsort(np.arange(len(right)) * 0.618033988749895 % 1, kind="stable")]
    return [*dict.fromkeys([*map(int, first), *errors, *map(int, spread)])][:most]
