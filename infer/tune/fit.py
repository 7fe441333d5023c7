"""Values of an ensemble fitted to photos that its networks never saw, and what they are worth on others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faces.labels import TASKS, UNKNOWN, IntArray
from infer.ensemble.calibration import fit_temperature
from infer.ensemble.tree import FACTORS, Compose, Leaf, Node, Override, Vote
from infer.ensemble.vote import Ballot, Panels, Verdict, count_votes
from infer.tune.greedy import select_members
from infer.tune.threshold import Flips, sweep_thresholds

What = Literal["weights", "threshold", "temperature"]
WHATS: tuple[What, ...] = ("weights", "threshold", "temperature")
VOICES = 40
"""Size of the greedy vote whose counts are weights: they are multiples of 1/40 at most."""


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """A tree fitted as often as there are folds, and once more."""

    folds: Mapping[int, Node]
    """By fold: fitted without the photos of its people."""
    whole: Node
    """Fitted on all photos; what is kept."""
    nested: Verdict
    """Each photo answered by the tree of its fold: what the fitting is worth for people it has not seen."""
    apparent: Verdict
    """Each photo answered by `whole`, which has seen it: too good."""


def tune(
    root: Node,
    panels: Panels,
    truths: Mapping[str, IntArray],
    fold: IntArray,
    what: Sequence[What] = WHATS,
    advance: Callable[[], object] = lambda: None,
) -> Tuned:
    """Fit by nested folds: for each fold on the photos of all others, and in the end on all.

    Args:
        root: the tree whose values are fitted.
        panels: out of fold, one voter a recipe, over n photos.
        truths: [n] classes by task, `UNKNOWN` where not labelled.
        fold: [n] of each photo, at least two.
        what: which values are fitted.
        advance: called after each of the folds + 1 fits.

    Raises:
        ValueError: one fold only.
    """
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise ValueError(
            f"only fold {numbers[0]} validates: values fitted on it have no other people to be scored on; "
            "train at least two folds of scheme person"
        )
    trees: dict[int, Node] = {}
    nested = count_votes(root, panels)
    for number in map(int, numbers):
        trees[number] = fit(root, panels, truths, np.flatnonzero(fold != number), what)
        nested = _patched(nested, count_votes(trees[number], panels), fold == number)
        advance()
    whole = fit(root, panels, truths, np.arange(len(fold)), what)
    advance()
    return Tuned(folds=trees, whole=whole, nested=nested, apparent=count_votes(whole, panels))


def fit(
    node: Node,
    panels: Panels,
    truths: Mapping[str, IntArray],
    rows: IntArray,
    what: Sequence[What],
    space: str = "class18",
) -> Node:
    """A tree with its values fitted to some photos.

    Fitted are the vote at the root, those that are a part of a composition (on the part's own task), and the
    base of an override, before the override's threshold. Votes within votes stay as they are.

    - weights: greedy selection with replacement (`select_members`) by log-loss; of a hard vote, whose
      probabilities decide nothing, by macro F1. Members that are never chosen are left out.
    - temperature: least log-loss, after the weights.
    - threshold: largest macro F1 over the 18 classes.

    Args:
        node: the root, or a part of it.
        panels: out of fold, one voter a recipe, over n photos.
        truths: [n] classes by task, `UNKNOWN` where not labelled.
        rows: photos whose truth may be looked at.
        what: which values are fitted.
        space: the task that the node is asked for.
    """
    if isinstance(node, Compose):
        parts = tuple((task, fit(part, panels, truths, rows, what, task)) for task, part in node.parts)
        return Compose(parts=parts)
    if isinstance(node, Override):
        node = dataclasses.replace(node, base=fit(node.base, panels, truths, rows, what))
        return _with_threshold(node, panels, truths, rows) if "threshold" in what else node
    if isinstance(node, Vote):
        labelled = rows[truths[space][rows] != UNKNOWN]
        if "weights" in what and len(node.members) > 1:
            node = _with_weights(node, panels, truths[space], labelled, space)
        if "temperature" in what:
            plain = count_votes(dataclasses.replace(node, temperature=1.0), panels, space)
            warmth = fit_temperature(plain.probabilities[labelled], truths[space][labelled])
            node = dataclasses.replace(node, temperature=warmth)
    return node


def check_fit(root: Node, what: Sequence[What]) -> None:
    """Refuse a tree that has nothing of what is to be fitted.

    Raises:
        ValueError: naming what it would take.
    """
    nodes = [node for _, node in fitted_nodes(root)]
    votes = [node for node in nodes if isinstance(node, Vote)]
    can = {
        "weights": any(len(vote.members) > 1 for vote in votes),
        "temperature": bool(votes),
        "threshold": any(isinstance(node, Override) for node in nodes),
    }
    if not any(can[name] for name in what):
        raise ValueError(
            f"fit={list(what)}: this ensemble has none of them; weights need a vote of two members or more "
            "at its root, at a part of its composition or as the base of its override, temperature such a "
            "vote of one or more, threshold an override"
        )


def fitted_nodes(node: Node, space: str = "class18") -> list[tuple[str, Node]]:
    """The votes and overrides that `fit` fits, each with the task it is asked for, from the root down."""
    below: list[tuple[str, Node]] = []
    if isinstance(node, Compose):
        below = [found for task, part in node.parts for found in fitted_nodes(part, task)]
    elif isinstance(node, Override):
        below = fitted_nodes(node.base)
    return below if isinstance(node, Leaf | Compose) else [(space, node), *below]


def voice(node: Node, panels: Panels, space: str) -> Ballot:
    """What a node says, its choices as it made them."""
    # A hard vote of one voter keeps its choices; a soft one would take the most probable classes.
    said = count_votes(Vote(members=(node,), rule="hard"), panels, space)
    return Ballot(probabilities=said.probabilities, choices=said.classes)


def flips_of(node: Override, panels: Panels) -> Flips:
    """What an override does to each photo, at every threshold."""
    place = TASKS[node.task].classes.index(node.category)
    return Flips(
        probability=voice(node.by, panels, node.task).probabilities[:, place],
        before=voice(node.base, panels, "class18").choices,
        after=voice(dataclasses.replace(node, above=0.0), panels, "class18").choices,
    )


def category_of(node: Override) -> tuple[str, int]:
    """The factor that an override changes, and the code of the value it sets."""
    return node.factor, FACTORS[node.factor].index(node.category)


def _with_threshold(
    node: Override, panels: Panels, truths: Mapping[str, IntArray], rows: IntArray
) -> Override:
    sweep = sweep_thresholds(flips_of(node, panels).part(rows), truths["class18"][rows], *category_of(node))
    return dataclasses.replace(node, above=float(sweep.above[sweep.best]))


def _with_weights(node: Vote, panels: Panels, truth: IntArray, rows: IntArray, space: str) -> Vote:
    ballots = [voice(member, panels, space) for member in node.members]
    by: Literal["macro_f1", "log_loss"] = "macro_f1" if node.rule == "hard" else "log_loss"
    found = select_members(ballots, truth, rows, by=by, size=VOICES, rule=node.rule)
    kept = [(m, float(c)) for m, c in zip(node.members, found.chosen, strict=True) if c]
    return dataclasses.replace(
        node, members=tuple(m for m, _ in kept), weights=tuple(weight for _, weight in kept)
    )


def _patched(verdict: Verdict, other: Verdict, mine: NDArray[np.bool_]) -> Verdict:
    """A verdict with some photos taken from another."""
    return Verdict(
        classes=np.where(mine, other.classes, verdict.classes),
        probabilities=np.where(mine[:, None], other.probabilities, verdict.probabilities),
        agreement=np.where(mine, other.agreement, verdict.agreement),
    )
