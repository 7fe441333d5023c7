"""People whose photos disagree about what is one per person: are they one person?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faces.cache.reader import Cache
from faces.factors import Factor
from faces.labels import FloatArray, IntArray
from report.audit.answers import Answers

LEAST = 0.15
"""Bits from which photos are said to disagree by their answers: far below one of seven that is surely
another's, which makes 0.59, and above what photos of one person differ by anyway."""
OWN = 0.9
"""Share of people whose photos all have one value from which a factor is taken for a person's own, though
labels may differ from photo to photo. Mask wear is the same in all photos of few people."""


@dataclass(frozen=True)
class Disagreement:
    """A person whose photos are answered, or labelled, in several ways."""

    person: str
    factor: str
    rows: IntArray
    """Places of the photos in the answers."""
    values: IntArray
    """[photos] class that each is answered, or labelled, with."""
    by: str
    """`labels` or `answers`."""
    divergence: float
    """Jensen-Shannon divergence of the photos' answers in bits: 0 where all are alike, 1 where half of the
    photos are surely the one and half surely the other. Of labels that of their shares."""


def divergence_of(probabilities: FloatArray) -> float:
    """Jensen-Shannon divergence in bits of [m, classes] distributions of equal weight (Lin 1991)."""
    return max(
        _entropy(probabilities.mean(0)) - float(np.mean([_entropy(row) for row in probabilities])), 0.0
    )


def disagreements(answers: Answers, cache: Cache) -> list[Disagreement]:
    """People whose photos disagree: by labels first, then by answers; those that disagree most first."""
    found = []
    sources = answers.photos["source"].to_numpy(object)
    people = answers.photos["person"]
    named = people[(people != "") & (people.to_numpy(object) != sources)]
    groups = [np.asarray(rows) for rows in named.groupby(named).groups.values() if len(rows) > 1]
    for name, probabilities in answers.by_factor.items():
        codes = answers.codes(cache, name)
        factor = cache.label_set.factor(name)
        if not _is_own(factor, groups, codes):
            continue
        for rows in groups:
            found += _of_person(str(people[rows[0]]), name, rows, codes, probabilities)
    return sorted(found, key=lambda each: (each.by != "labels", -each.divergence, each.person))


def _is_own(factor: Factor, groups: list[IntArray], codes: IntArray) -> bool:
    if factor.per == "person":
        return True
    known = [codes[rows][codes[rows] >= 0] for rows in groups]
    same = [len({*values}) == 1 for values in known if len(values) > 1]
    return bool(same) and float(np.mean(same)) >= OWN


def _of_person(
    person: str, factor: str, rows: IntArray, codes: IntArray, probabilities: FloatArray
) -> list[Disagreement]:
    found = []
    labelled = rows[codes[rows] >= 0]
    if len({*codes[labelled].tolist()}) > 1:
        shares = np.eye(probabilities.shape[1])[codes[labelled]]
        found.append(Disagreement(person, factor, labelled, codes[labelled], "labels", divergence_of(shares)))
    answered = probabilities[rows].argmax(1)
    divergence = divergence_of(probabilities[rows])
    if len({*answered.tolist()}) > 1 and divergence >= LEAST:
        found.append(Disagreement(person, factor, rows, answered, "answers", divergence))
    return found


def _entropy(probabilities: FloatArray) -> float:
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log2(positive)).sum())
