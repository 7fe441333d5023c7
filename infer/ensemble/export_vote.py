"""The voting of `infer.ensemble.vote` in tensor operations, so that it can be a part of an exported model.

What it computes is defined and explained there; a test holds the two together. There is no `rank` rule here:
a rank among all photos is nothing that a model can say of one photo.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faces.labels import AGE_EDGES, TASKS, Task
from infer.ensemble.tree import FACTORS, Compose, Leaf, Node, Override, Vote, children

Heads = Mapping[str, Tensor]
"""What a trained fold says: float [n, classes] probabilities by task."""
LEAST = 1e-12
"""Least probability of which a logarithm is taken."""
NEARLY = 1e-9
"""Numbers that differ by less are equal, as in `infer.ensemble.vote`."""


@dataclass(frozen=True)
class Ballot:
    """What one voter says of n photos."""

    probabilities: Tensor
    """float64 [n, k], rows summing to 1."""
    choices: Tensor
    """int64 [n] classes."""

    @classmethod
    def of(cls, probabilities: Tensor) -> Ballot:
        """A voter who chooses what is most probable."""
        return cls(probabilities, _largest(probabilities))


def check_votes(node: Node) -> None:
    """Refuse a tree whose answer on a photo depends on other photos.

    Raises:
        ValueError: a vote by rank.
    """
    if isinstance(node, Vote) and node.rule == "rank":
        raise ValueError(
            'rule = "rank": a photo\'s rank depends on the other photos asked about, which an exported model '
            'does not know; export the same members with rule = "soft" or "log"'
        )
    for _, child in children(node):
        check_votes(child)


def count_votes(root: Node, panels: Mapping[str, Sequence[Heads]], space: str = "class18") -> Ballot:
    """Let a tree vote on photos: `infer.ensemble.vote.count_votes`.

    Args:
        root: a tree that `check_votes` passes and whose recipes all are in `panels`.
        panels: by recipe, what each of its trained folds says of the same n photos.
        space: the task voted on.
    """
    if isinstance(root, Vote):
        return _voted(root, panels, space)
    ballots = _ballots(root, panels, space)
    if len(ballots) == 1:
        return ballots[0]
    return _together(ballots, "hard" if isinstance(root, Override) else "soft")


def _together(ballots: Sequence[Ballot], rule: str) -> Ballot:
    """One voice of equals."""
    return _one_voice(ballots, [1 / len(ballots)] * len(ballots), rule)


def _voted(vote: Vote, panels: Mapping[str, Sequence[Heads]], space: str) -> Ballot:
    ballots: list[Ballot] = []
    weights: list[float] = []
    for member, share in zip(vote.members, vote.shares, strict=True):
        mine = _ballots(member, panels, space)
        ballots += mine
        weights += [share / len(mine)] * len(mine)
    result = _one_voice(ballots, weights, vote.rule)
    if vote.temperature == 1:
        return result
    cooled = torch.softmax(result.probabilities.clamp(min=LEAST).log() / vote.temperature, 1)
    return Ballot(cooled, result.choices)


def _one_voice(ballots: Sequence[Ballot], weights: Sequence[float], rule: str) -> Ballot:
    shares = torch.tensor(weights, dtype=torch.float64)[:, None, None]
    stacked = torch.stack([ballot.probabilities for ballot in ballots])
    if rule == "log":
        return Ballot.of(torch.softmax((shares * stacked.clamp(min=LEAST).log()).sum(0), 1))
    mean = (shares * stacked).sum(0)
    if rule == "soft":
        return Ballot.of(mean)
    choices = torch.stack([ballot.choices for ballot in ballots])
    votes = (shares * _one_hot(choices, mean.shape[1])).sum(0)
    leading = votes >= votes.amax(1, keepdim=True) - NEARLY
    return Ballot(mean, _largest(torch.where(leading, mean, -torch.ones_like(mean))))


def _ballots(node: Node, panels: Mapping[str, Sequence[Heads]], space: str) -> list[Ballot]:
    match node:
        case Leaf():
            return [Ballot.of(project(heads, space)) for heads in panels[node.recipe]]
        case Vote():
            return [_voted(node, panels, space)]
        case Compose():
            named = [(task, _ballots(part, panels, task)) for task, part in node.parts]
            rows = _fold_by_fold([ballots for _, ballots in named])
            return [_in_space(_composed([task for task, _ in named], row), space) for row in rows]
        case Override():
            bases, bys = _ballots(node.base, panels, "class18"), _ballots(node.by, panels, node.task)
            if len(bases) == 1:
                bys = [_together(bys, "soft")]
            together = _fold_by_fold([bases, bys])
            return [_in_space(_overridden(node, base, by), space) for base, by in together]


def _fold_by_fold(members: Sequence[Sequence[Ballot]]) -> list[tuple[Ballot, ...]]:
    count = max(map(len, members))
    if any(len(ballots) not in (1, count) for ballots in members):
        raise ValueError(
            f"members of a composition or an override have {', '.join(str(len(b)) for b in members)} folds: "
            "they are joined fold by fold; train the missing folds, or vote over each member first"
        )
    return list(zip(*(list(b) * (count if len(b) == 1 else 1) for b in members), strict=True))


def _composed(tasks: Sequence[str], ballots: Sequence[Ballot]) -> Ballot:
    heads = {task: ballot.probabilities for task, ballot in zip(tasks, ballots, strict=True)}
    chosen: dict[str, Tensor] = {}
    for task, ballot in zip(tasks, ballots, strict=True):
        chosen |= _split(ballot.choices, TASKS[task])
    return Ballot(project(heads, "class18"), _join(chosen, TASKS["class18"]))


def _overridden(node: Override, base: Ballot, by: Ballot) -> Ballot:
    chosen = _split(base.choices, TASKS["class18"])
    sure = by.probabilities[:, TASKS[node.task].classes.index(node.category)] > node.above
    for factor, values in node.where:
        places = [FACTORS[factor].index(value) for value in values]
        within = torch.stack([chosen[factor] == place for place in places]).any(0)
        sure = sure & within
    code, axis = FACTORS[node.factor].index(node.category), 1 + list(FACTORS).index(node.factor)
    cube = base.probabilities.reshape(-1, *TASKS["class18"].sizes).movedim(axis, 1)
    before = _one_hot(chosen[node.factor], cube.shape[1])[:, :, None, None].to(cube.dtype)
    moved = (cube * before).sum(1, keepdim=True)
    target = _one_hot(torch.full_like(chosen[node.factor], code), cube.shape[1])[:, :, None, None]
    changed = torch.where(sure[:, None, None, None], cube * (1 - before) + moved * target, cube)
    chosen[node.factor] = torch.where(sure, torch.full_like(base.choices, code), chosen[node.factor])
    probabilities = changed.movedim(1, axis).reshape(base.probabilities.shape)
    return Ballot(probabilities, _join(chosen, TASKS["class18"]))


def _in_space(ballot: Ballot, space: str) -> Ballot:
    if space == "class18":
        return ballot
    probabilities = project({"class18": ballot.probabilities}, space)
    if space == "senior":
        return Ballot.of(probabilities)
    return Ballot(probabilities, _join(_split(ballot.choices, TASKS["class18"]), TASKS[space]))


def project(heads: Heads, space: str) -> Tensor:
    """What a model's heads say together of one task, which they tell: `faces.labels.project`."""
    if space in heads:
        return heads[space]
    joint = _joint(heads, TASKS[space].factors)
    if space != "senior":
        return joint
    older = joint[:, 1:]
    return older / older.sum(1, keepdim=True).clamp(min=torch.finfo(older.dtype).tiny)


def _joint(heads: Heads, factors: Sequence[str]) -> Tensor:
    if "class18" in heads:
        cube = heads["class18"].reshape(-1, *TASKS["class18"].sizes)
        unasked = [1 + i for i, factor in enumerate(FACTORS) if factor not in factors]
        return cube.sum(unasked).flatten(1) if unasked else cube.flatten(1)
    parts = []
    for factor in factors:
        told = [name for name in heads if factor in TASKS[name].factors and TASKS[name].youngest == 0]
        parts.append(torch.stack([_marginal(TASKS[name], heads[name], factor) for name in told]).mean(0))
    joint = parts[0]
    for part in parts[1:]:
        joint = (joint[:, :, None] * part[:, None, :]).flatten(1)
    return joint


def _marginal(task: Task, probabilities: Tensor, factor: str) -> Tensor:
    cube = probabilities.reshape(-1, *task.sizes)
    axis = 1 + task.factors.index(factor)
    other = [a for a in range(1, cube.ndim) if a != axis]
    marginal = cube.sum(other) if other else cube
    if factor != "age" or task.edges == AGE_EDGES:
        return marginal
    starts = [0, *(1 + task.edges.index(edge) for edge in AGE_EDGES)]
    ends = [*starts[1:], len(task.edges) + 1]
    return torch.stack([marginal[:, a:b].sum(1) for a, b in zip(starts, ends, strict=True)], 1)


def _split(classes: Tensor, task: Task) -> dict[str, Tensor]:
    """Classes of a task as codes of its factors."""
    codes: dict[str, Tensor] = {}
    for factor, size in zip(reversed(task.factors), reversed(task.sizes), strict=True):
        codes[factor] = classes % size
        classes = torch.div(classes, size, rounding_mode="floor")
    return codes


def _join(codes: Mapping[str, Tensor], task: Task) -> Tensor:
    joined = torch.zeros_like(next(iter(codes.values())))
    for factor, size in zip(task.factors, task.sizes, strict=True):
        joined = joined * size + codes[factor]
    return joined


def _largest(values: Tensor) -> Tensor:
    """[n] columns of the largest values, the lower of nearly equal ones."""
    return (values >= values.amax(1, keepdim=True) - NEARLY).to(torch.int64).argmax(1)


def _one_hot(codes: Tensor, count: int) -> Tensor:
    return codes[..., None] == torch.arange(count)
