"""The verdict of an ensemble on photos, in numpy; `infer.ensemble.rules` holds the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.labels import FloatArray, IntArray, LabelSet
from infer.ensemble import rules
from infer.ensemble.tree import Node
from infer.predict.heads import Panels

Ballot = rules.Ballot[NDArray[Any]]
"""One voter's answers, in numpy."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An ensemble's answers to n photos."""

    classes: IntArray
    """[n] the class voted for."""
    probabilities: FloatArray
    """[n, k], rows summing to 1."""
    agreement: NDArray[np.floating]
    """[n] weight of the voters, in [0, 1], whose own choice is the class voted for."""


def count_votes(root: Node, panels: Panels, space: str, labels: LabelSet) -> Verdict:
    """Let a tree vote on photos: `rules.poll`, and how many voters agree with the result.

    Args:
        root: whose recipes all are in `panels`.
        panels: every voter's answers to the same n photos.
        space: the task voted on (`infer.ensemble.space.space_of`).
        labels: of the recipes' runs.

    Raises:
        ValueError: a recipe's heads do not tell the task that it votes on, or members of a composition or an
            override have different numbers of folds.
    """
    poll: rules.Poll[NDArray[Any]] = rules.poll(root, panels, space, labels)
    agreed = np.stack([ballot.choices == poll.result.choices for ballot in poll.ballots])
    return Verdict(
        classes=poll.result.choices,
        probabilities=poll.result.probabilities,
        agreement=np.minimum(np.array(poll.weights) @ agreed, 1.0),
    )
