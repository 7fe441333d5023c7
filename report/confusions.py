"""Confusion matrices whose cells name the photos in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faces.labels import IntArray
from faces.scores import confusion
from report.answers import Answers

MOST_CLASSES = 24
"""Classes of a matrix that a page has room for; of more the commonest confusions are listed."""
MOST_LISTED = 40


@dataclass(frozen=True)
class Cell:
    """Photos of one true and one answered value."""

    true: int
    answered: int
    count: int
    share: float
    """Of the photos of the true value, 0 to 1."""


@dataclass(frozen=True)
class Matrix:
    """Who was taken for what, of a part of the task or of its classes."""

    part: int
    """Number of the part; -1 of the classes."""
    title: str
    names: list[str]
    rows: list[list[Cell]]
    right: float
    """Share of right answers, 0 to 1."""

    @property
    def small(self) -> bool:
        """Whether it is drawn whole."""
        return len(self.names) <= MOST_CLASSES

    @property
    def commonest(self) -> list[Cell]:
        """The cells of wrong answers with the most photos."""
        cells = [cell for row in self.rows for cell in row if cell.true != cell.answered and cell.count]
        return sorted(cells, key=lambda cell: (-cell.count, cell.true, cell.answered))[:MOST_LISTED]


def matrices(answers: Answers) -> list[Matrix]:
    """One for each part of the task and, where it has several, one for all its classes."""
    parts = zip(answers.names, answers.values, answers.true_parts, answers.answered_parts, strict=True)
    found = [
        _matrix(number, name, values, true, answered)
        for number, (name, values, true, answered) in enumerate(parts)
    ]
    if len(found) == 1:
        return found
    title = f"{len(answers.classes)} classes"
    return [*found, _matrix(-1, title, answers.classes, answers.truth, answers.verdict.classes)]


def _matrix(part: int, title: str, names: list[str], truth: IntArray, guess: IntArray) -> Matrix:
    counts = confusion(truth, guess, len(names))
    totals = np.maximum(counts.sum(1), 1)
    rows = [
        [Cell(true, answered, int(count), count / totals[true]) for answered, count in enumerate(line)]
        for true, line in enumerate(counts)
    ]
    return Matrix(part, title, names, rows, float((truth == guess).mean()))
