"""How members' probabilities become one answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faces.labels import FloatArray, IntArray


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an ensemble says of n photos."""

    classes: IntArray
    """[n] the class voted for."""
    probabilities: FloatArray
    """[n, k] mean over the members."""
    agreement: NDArray[np.floating]
    """[n] share of members, in [0, 1], whose own most probable class is the one voted for."""


def take_vote(members: FloatArray, rule: Literal["soft", "hard"]) -> Verdict:
    """Let members vote on photos.

    Args:
        members: [m, n, k] probabilities of m members.
        rule: soft: the class of the largest mean probability. hard: the class that is the most probable one
            for most members; among classes with equally many votes the one with the larger summed
            probability, and the lower class should even that be equal. With members (.5, .3, .2),
            (.1, .6, .3) and (.2, .1, .7) each class has one vote, the sums are .8, 1.0 and 1.2, and hard
            voting answers 2.
    """
    summed = members.sum(0)
    choices = members.argmax(2)
    votes = (choices[:, :, None] == np.arange(members.shape[2])).sum(0)
    if rule == "soft":
        classes = summed.argmax(1)
    else:
        leading = votes == votes.max(1, keepdims=True)
        classes = np.where(leading, summed, -1).argmax(1)
    agreement = np.take_along_axis(votes, classes[:, None], 1)[:, 0] / len(members)
    return Verdict(classes=classes, probabilities=summed / len(members), agreement=agreement)
