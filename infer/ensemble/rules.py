"""How members' probabilities become one answer: the rules of voting, in numpy and in torch alike.

Every node of an ensemble's tree yields ballots: one for each fold of a recipe, one of a vote. A ballot is
probabilities and a choice, which differ where a choice was not made by the largest probability: of a hard
vote, one that adjusts its choice, or an override. Soft votes above such a node read its probabilities, all
others its choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, get_args

from faces.labels import LabelSet, Part, Task
from infer.ensemble.adjust import adjusted, class_factors
from infer.ensemble.arrays import Array, arrays_of
from infer.ensemble.space import task_of_base, task_of_parts
from infer.ensemble.tree import Compose, Leaf, Node, Override, Rule, Vote

Panels = Mapping[str, Sequence[Mapping[str, Array]]]
"""By recipe, for each of its voters: the [n, classes] probabilities of n photos by head task."""

NEARLY = 1e-9
"""Sums in another order of members differ in their last bits, which must decide nothing: numbers that differ
by no more than this are equal."""
LEAST = 1e-12
"""Least probability of which a logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class Ballot(Generic[Array]):
    """One voter's answers to n photos."""

    probabilities: Array
    """[n, k], rows summing to 1."""
    choices: Array
    """int64 [n] classes."""

    @classmethod
    def of(cls, probabilities: Array) -> Ballot[Array]:
        """A voter who chooses what is most probable."""
        return cls(probabilities=probabilities, choices=_largest(probabilities))


@dataclass(frozen=True, kw_only=True)
class Poll(Generic[Array]):
    """Voters and what they decide together."""

    ballots: Sequence[Ballot[Array]]
    weights: Sequence[float]
    """Weight of each ballot, summing to 1."""
    result: Ballot[Array]


def poll(root: Node, panels: Panels[Array], space: str, labels: LabelSet) -> Poll[Array]:
    """Let a tree vote on photos.

    Args:
        root: whose recipes all are in `panels`. If it is no vote, its folds are heard as in a soft one, those
            of an override, whose choices are not its largest probabilities, as in a hard one.
        panels: every voter's answers to the same n photos.
        space: the task voted on (`infer.ensemble.space.space_of`).
        labels: of the recipes' runs.

    Raises:
        ValueError: a recipe's heads do not tell the task that it votes on, members of a composition or an
            override have different numbers of folds, or tensors are to vote by rank.
    """
    if isinstance(root, Vote):
        return _polled(root, panels, space, labels)
    ballots = _ballots(root, panels, space, labels)
    weights = _equal(ballots)
    rule: Rule = "hard" if isinstance(root, Override) else "soft"
    result = ballots[0] if len(ballots) == 1 else take_vote(ballots, weights, rule)
    return Poll(ballots=ballots, weights=weights, result=result)


def take_vote(ballots: Sequence[Ballot[Array]], weights: Sequence[float], rule: Rule) -> Ballot[Array]:
    """One voice of many.

    With members (.5, .3, .2), (.1, .6, .3) and (.2, .1, .7) of equal weight each class has one vote, the sums
    are .8, 1.0 and 1.2, and hard voting answers 2.

    Args:
        ballots: of m voters on n photos.
        weights: [m], summing to 1.
        rule: as in `Vote`.

    Raises:
        ValueError: an unknown rule, or tensors are to vote by rank.
    """
    arrays = arrays_of(ballots[0].probabilities)
    stacked = arrays.stack([ballot.probabilities for ballot in ballots])
    match rule:
        case "soft":
            return Ballot.of(arrays.weighted_sum(weights, stacked))
        case "log":
            return Ballot.of(arrays.softmax(arrays.weighted_sum(weights, arrays.log(stacked, LEAST))))
        case "rank":
            ranks = arrays.weighted_sum(weights, arrays.ranks(stacked) / stacked.shape[1])
            return Ballot.of(ranks / ranks.sum(1, keepdims=True))
        case "hard":
            mean = arrays.weighted_sum(weights, stacked)
            choices = arrays.stack([ballot.choices for ballot in ballots])
            votes = arrays.weighted_sum(weights, arrays.one_hot(choices, stacked.shape[2]))
            leading = votes >= arrays.row_max(votes) - NEARLY
            return Ballot(probabilities=mean, choices=_largest(arrays.where(leading, mean, -1)))
    raise ValueError(f"rule={rule!r}: known are {', '.join(get_args(Rule))}")


def _equal(ballots: Sequence[Ballot[Array]]) -> list[float]:
    return [1 / len(ballots)] * len(ballots)


def _polled(vote: Vote, panels: Panels[Array], space: str, labels: LabelSet) -> Poll[Array]:
    """A member's weight is shared equally by its voters."""
    ballots: list[Ballot[Array]] = []
    weights: list[float] = []
    for member, share in zip(vote.members, vote.shares, strict=True):
        mine = _ballots(member, panels, space, labels)
        ballots += mine
        weights += [share / len(mine)] * len(mine)
    result = take_vote(ballots, weights, vote.rule)
    if vote.temperature != 1:
        arrays = arrays_of(result.probabilities)
        cooled = arrays.softmax(arrays.log(result.probabilities, LEAST) / vote.temperature)
        result = Ballot(probabilities=cooled, choices=result.choices)
    if vote.adjust:
        weighed = adjusted(result.probabilities, class_factors(vote, labels.task(space)))
        result = Ballot(probabilities=result.probabilities, choices=_largest(weighed))
    return Poll(ballots=ballots, weights=weights, result=result)


def _ballots(node: Node, panels: Panels[Array], space: str, labels: LabelSet) -> list[Ballot[Array]]:
    match node:
        case Leaf():
            voters = panels[node.recipe]
            return [Ballot.of(_projected(heads, space, labels)) for heads in voters]
        case Vote():
            return [_polled(node, panels, space, labels).result]
        case Compose():
            tasks = [labels.task(task) for task, _ in node.parts]
            parts = [_ballots(part, panels, task, labels) for task, part in node.parts]
            own = task_of_parts(node, labels)
            joined = [_composed(tasks, row, own, labels) for row in _fold_by_fold(parts)]
            return [_in_space(ballot, own, space, labels) for ballot in joined]
        case Override():
            heads = {recipe: [*voters[0]] for recipe, voters in panels.items()}
            own = task_of_base(node, heads, space, labels)
            bases = _ballots(node.base, panels, own.name, labels)
            bys = _ballots(node.by, panels, node.task, labels)
            if len(bases) == 1:  # a single voice is overridden once, by what all folds think
                bys = [take_vote(bys, _equal(bys), "soft")]
            changed = [_overridden(node, base, by, own, labels) for base, by in _fold_by_fold([bases, bys])]
            return [_in_space(ballot, own, space, labels) for ballot in changed]


def _fold_by_fold(members: Sequence[Sequence[Ballot[Array]]]) -> list[tuple[Ballot[Array], ...]]:
    """Voters side by side; a single one stands beside each of the others."""
    count = max(map(len, members))
    if any(len(ballots) not in (1, count) for ballots in members):
        raise ValueError(
            f"members of a composition or an override have {', '.join(str(len(b)) for b in members)} folds: "
            "they are joined fold by fold; train the missing folds, or vote over each member first"
        )
    return list(zip(*(list(b) * (count if len(b) == 1 else 1) for b in members), strict=True))


def _composed(
    tasks: Sequence[Task], ballots: Sequence[Ballot[Array]], own: Task, labels: LabelSet
) -> Ballot[Array]:
    heads = {task.name: ballot.probabilities for task, ballot in zip(tasks, ballots, strict=True)}
    chosen: dict[str, Array] = {}
    for task, ballot in zip(tasks, ballots, strict=True):
        codes = _split(ballot.choices, task)
        chosen |= {part.factor.name: _own_value(codes[part.factor.name], part) for part in task.parts}
    return Ballot(probabilities=_projected(heads, own.name, labels), choices=_join(chosen, own))


def _overridden(
    node: Override, base: Ballot[Array], by: Ballot[Array], own: Task, labels: LabelSet
) -> Ballot[Array]:
    """The base, which votes on `own`, with the factor set where the other is sure enough, or by the other
    both ways; the mass of the value that it had goes to the new one."""
    arrays = arrays_of(base.probabilities)
    task = labels.task(node.task)
    [factor] = task.factors
    chosen = _split(base.choices, own)
    codes, before = labels.factor(factor).classes, chosen[factor]
    sure = by.probabilities[:, task.classes.index(node.category)] > node.above
    other = codes.index(node.otherwise) if node.otherwise else before
    after = arrays.where(sure, codes.index(node.category), other)
    for guard, values in node.where:
        known = labels.factor(guard).classes
        asked = _is_any(chosen[guard], (known.index(value) for value in values))
        after = arrays.where(asked, after, before)
    axis = 1 + own.factors.index(factor)
    size = own.sizes[axis - 1]
    along = [-1, *(size if place == axis else 1 for place in range(1, 1 + len(own.sizes)))]
    left, entered = (arrays.one_hot(codes, size).reshape(along) for codes in (before, after))
    cube = base.probabilities.reshape(-1, *own.sizes)
    moved = (cube * left).sum(axis, keepdims=True)
    changed = cube * ~left + moved * entered
    return Ballot(
        probabilities=changed.reshape(base.probabilities.shape),
        choices=_join({**chosen, factor: after}, own),
    )


def _in_space(ballot: Ballot[Array], own: Task, space: str, labels: LabelSet) -> Ballot[Array]:
    """A ballot on one task as one on another."""
    wanted = labels.task(space)
    if wanted.parts == own.parts:
        return ballot
    probabilities = _projected({own.name: ballot.probabilities}, space, labels)
    if not wanted.whole:  # the choice may be none of its classes: younger than `senior`
        return Ballot.of(probabilities)
    return Ballot(probabilities=probabilities, choices=_join(_split(ballot.choices, own), wanted))


def _projected(heads: Mapping[str, Array], space: str, labels: LabelSet) -> Array:
    return arrays_of(next(iter(heads.values()))).project(heads, space, labels)


def _split(classes: Array, task: Task) -> dict[str, Array]:
    """Classes of a task as codes of its factors."""
    codes: dict[str, Array] = {}
    for factor, size in zip(reversed(task.factors), reversed(task.sizes), strict=True):
        codes[factor], classes = classes % size, classes // size
    return codes


def _own_value(codes: Array, part: Part) -> Array:
    """Codes of the values that a part tells as codes of the factor's own, of which each may be several."""
    if part.whole:
        return codes
    # A band's own value is how many of the factor's edges do not lie above it.
    starts = [place for place, edge in enumerate(part.edges, 1) if edge in part.factor.edges]
    own: Array = sum((codes >= place) * 1 for place in starts)
    return own


def _join(codes: Mapping[str, Array], task: Task) -> Array:
    """Codes of a task's factors as its classes."""
    first, *others = task.factors
    classes = codes[first]
    for factor, size in zip(others, task.sizes[1:], strict=True):
        classes = classes * size + codes[factor]
    return classes


def _is_any(codes: Array, values: Iterable[int]) -> Array:
    """Mask of the codes that are one of the values."""
    mask: Array = codes < 0
    for value in values:
        mask = mask | (codes == value)
    return mask


def _largest(values: Array) -> Array:
    """int64 [n] columns of the largest values of [n, k], the lower of nearly equal ones."""
    arrays = arrays_of(values)
    return arrays.first(values >= arrays.row_max(values) - NEARLY)
