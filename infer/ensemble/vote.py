"""How members' probabilities become one answer.

Every node of an ensemble's tree yields ballots: one for each fold of a recipe, one of a vote. A ballot is
probabilities and a choice, which differ where a choice was not made by the largest probability: below a hard
vote or an override. Soft votes above such a node read its probabilities, all others its choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from faces.labels import TASKS, FloatArray, IntArray, project, split_classes
from infer.ensemble.tree import FACTORS, Compose, Leaf, Node, Override, Rule, Vote

Panels = Mapping[str, Sequence[Mapping[str, FloatArray]]]
"""By recipe, for each of its voters: the [n, classes] probabilities of each head, by task. A voter is a
trained fold or, out of fold, the models of all folds, each answering for the people that it did not see."""
_LEAST = 1e-12
"""Least probability of which a logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """What one voter says of n photos."""

    probabilities: FloatArray
    """[n, k], rows summing to 1."""
    choices: IntArray
    """[n] classes."""

    @classmethod
    def of(cls, probabilities: FloatArray) -> Ballot:
        """A voter who chooses what is most probable."""
        return cls(probabilities=probabilities, choices=_largest(probabilities))


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What an ensemble says of n photos."""

    classes: IntArray
    """[n] the class voted for."""
    probabilities: FloatArray
    """[n, k], rows summing to 1."""
    agreement: NDArray[np.floating]
    """[n] weight of the voters, in [0, 1], whose own choice is the class voted for."""


def count_votes(root: Node, panels: Panels, space: str = "class18") -> Verdict:
    """Let a tree vote on photos.

    Args:
        root: whose recipes all are in `panels`. If it is no vote, its folds are heard as in a soft one, those
            of an override, whose choices are not its largest probabilities, as in a hard one.
        panels: what every voter says of the same n photos.
        space: the task voted on.

    Raises:
        ValueError: a recipe's heads do not tell what it is asked for, or members of a composition or an
            override have different numbers of folds.
    """
    if isinstance(root, Vote):
        ballots, weights = _polled(root, panels, space)
        result = _one_voice(root, ballots, weights)
    else:
        ballots = _ballots(root, panels, space)
        weights = np.full(len(ballots), 1 / len(ballots))
        result = _folds_together(root, ballots, weights)
    agreed = np.stack([ballot.choices == result.choices for ballot in ballots])
    agreement = np.minimum(weights @ agreed, 1.0)
    return Verdict(classes=result.choices, probabilities=result.probabilities, agreement=agreement)


def take_vote(ballots: Sequence[Ballot], weights: FloatArray, rule: Rule) -> Ballot:
    """One voice of many.

    With members (.5, .3, .2), (.1, .6, .3) and (.2, .1, .7) of equal weight each class has one vote, the sums
    are .8, 1.0 and 1.2, and hard voting answers 2.

    Args:
        ballots: of m voters on n photos.
        weights: [m], summing to 1.
        rule: as in `Vote`.
    """
    stacked = np.stack([ballot.probabilities for ballot in ballots])
    if rule == "log":
        logs = np.tensordot(weights, np.log(np.maximum(stacked, _LEAST)), 1)
        return Ballot.of(_normalised(np.exp(logs - logs.max(1, keepdims=True))))
    if rule == "rank":
        stacked = rankdata(stacked, axis=1) / stacked.shape[1]
        return Ballot.of(_normalised(np.tensordot(weights, stacked, 1)))
    mean = np.tensordot(weights, stacked, 1)
    if rule == "soft":
        return Ballot.of(mean)
    classes = np.arange(stacked.shape[2])
    votes = sum(
        weight * (ballot.choices[:, None] == classes) for weight, ballot in zip(weights, ballots, strict=True)
    )
    leading = votes >= votes.max(1, keepdims=True) - 1e-9  # as in `_largest`
    return Ballot(probabilities=mean, choices=_largest(np.where(leading, mean, -1)))


def _one_voice(vote: Vote, ballots: Sequence[Ballot], weights: FloatArray) -> Ballot:
    result = take_vote(ballots, weights, vote.rule)
    if vote.temperature == 1:
        return result
    logs = np.log(np.maximum(result.probabilities, _LEAST)) / vote.temperature
    cooled = _normalised(np.exp(logs - logs.max(1, keepdims=True)))
    return Ballot(probabilities=cooled, choices=result.choices)


def _folds_together(root: Node, ballots: Sequence[Ballot], weights: FloatArray) -> Ballot:
    """One voice of the folds of a root that is no vote; a single one keeps its choices."""
    if len(ballots) == 1:
        return ballots[0]
    return take_vote(ballots, weights, "hard" if isinstance(root, Override) else "soft")


def _polled(vote: Vote, panels: Panels, space: str) -> tuple[list[Ballot], FloatArray]:
    """All voters of a vote and the weight of each: a member's is shared equally by its own."""
    ballots: list[Ballot] = []
    weights: list[float] = []
    for member, share in zip(vote.members, vote.shares, strict=True):
        mine = _ballots(member, panels, space)
        ballots += mine
        weights += [share / len(mine)] * len(mine)
    return ballots, np.array(weights)


def _ballots(node: Node, panels: Panels, space: str) -> list[Ballot]:
    match node:
        case Leaf():
            return [Ballot.of(project(heads, space)) for heads in panels[node.recipe]]
        case Vote():
            return [_one_voice(node, *_polled(node, panels, space))]
        case Compose():
            named = [(task, _ballots(part, panels, task)) for task, part in node.parts]
            together = _fold_by_fold([ballots for _, ballots in named])
            return [_in_space(_composed([task for task, _ in named], row), space) for row in together]
        case Override():
            bases, bys = _ballots(node.base, panels, "class18"), _ballots(node.by, panels, node.task)
            if len(bases) == 1:  # a single voice is overridden once, by what all folds think
                bys = [take_vote(bys, np.full(len(bys), 1 / len(bys)), "soft")]
            rows = _fold_by_fold([bases, bys])
            return [_in_space(_overridden(node, base, by), space) for base, by in rows]


def _fold_by_fold(members: Sequence[Sequence[Ballot]]) -> list[tuple[Ballot, ...]]:
    """Voters side by side; a single one stands beside each of the others."""
    count = max(map(len, members))
    if any(len(ballots) not in (1, count) for ballots in members):
        raise ValueError(
            f"members of a composition or an override have {', '.join(str(len(b)) for b in members)} folds: "
            "they are joined fold by fold; train the missing folds, or vote over each member first"
        )
    return list(zip(*(list(b) * (count if len(b) == 1 else 1) for b in members), strict=True))


def _composed(tasks: Sequence[str], ballots: Sequence[Ballot]) -> Ballot:
    probabilities = project(
        {task: ballot.probabilities for task, ballot in zip(tasks, ballots, strict=True)}, "class18"
    )
    chosen: dict[str, IntArray] = {}
    for task, ballot in zip(tasks, ballots, strict=True):
        codes = np.unravel_index(ballot.choices, TASKS[task].sizes)
        chosen |= dict(zip(TASKS[task].factors, codes, strict=True))
    return Ballot(probabilities=probabilities, choices=_class(chosen))


def _overridden(node: Override, base: Ballot, by: Ballot) -> Ballot:
    """The base with the factor set where the other is sure enough; the mass of the value that it had goes to
    the new one."""
    chosen = split_classes(base.choices)
    sure = by.probabilities[:, TASKS[node.task].classes.index(node.category)] > node.above
    for factor, values in node.where:
        sure &= np.isin(chosen[factor], [FACTORS[factor].index(value) for value in values])
    code = FACTORS[node.factor].index(node.category)
    changed = np.flatnonzero(sure & (chosen[node.factor] != code))
    cube = base.probabilities.reshape(-1, *TASKS["class18"].sizes).copy()
    by_factor = np.moveaxis(cube, 1 + list(FACTORS).index(node.factor), 1)
    before = chosen[node.factor][changed]
    by_factor[changed, code] += by_factor[changed, before]
    by_factor[changed, before] = 0
    chosen[node.factor] = np.where(sure, code, chosen[node.factor])
    return Ballot(probabilities=cube.reshape(base.probabilities.shape), choices=_class(chosen))


def _in_space(ballot: Ballot, space: str) -> Ballot:
    """A ballot on the 18 classes as one on another task."""
    if space == "class18":
        return ballot
    probabilities = project({"class18": ballot.probabilities}, space)
    if space == "senior":  # the choice may be younger than its classes
        return Ballot.of(probabilities)
    chosen = split_classes(ballot.choices)
    task = TASKS[space]
    codes = np.ravel_multi_index([chosen[factor] for factor in task.factors], task.sizes)
    return Ballot(probabilities=probabilities, choices=codes.astype(np.int64))


def _class(chosen: Mapping[str, IntArray]) -> IntArray:
    codes = np.ravel_multi_index([chosen[factor] for factor in FACTORS], TASKS["class18"].sizes)
    return np.asarray(codes, np.int64)


def _largest(values: FloatArray) -> IntArray:
    """[n] columns of the largest values, the lower of equals."""
    # Sums in another order of members differ in their last bits, which must decide nothing.
    return np.asarray((values >= values.max(1, keepdims=True) - 1e-9).argmax(1))


def _normalised(values: FloatArray) -> FloatArray:
    return np.asarray(values / values.sum(1, keepdims=True))
