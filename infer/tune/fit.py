"""Values of an ensemble's tree, fitted to photos that its networks never saw."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from faces.labels import TASKS, UNKNOWN, IntArray
from infer.ensemble.calibration import fit_temperature
from infer.ensemble.tree import FACTORS, Compose, Leaf, Node, Override, Vote
from infer.ensemble.vote import Ballot, count_votes
from infer.predict.heads import Panels
from infer.tune.choices import Criterion, Fitted
from infer.tune.greedy import select_members
from infer.tune.threshold import Flips, score_thresholds

_GREEDY_SIZE = 40
"""Votes of the greedy selection whose counts become weights: shares are multiples of 1/40 or coarser."""


def fit(
    node: Node,
    panels: Panels,
    truths: Mapping[str, IntArray],
    rows: IntArray,
    fitted: Sequence[Fitted],
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
        fitted: which values are fitted.
        space: the task that the node votes on.
    """
    if isinstance(node, Compose):
        parts = tuple((task, fit(part, panels, truths, rows, fitted, task)) for task, part in node.parts)
        return Compose(parts=parts)
    if isinstance(node, Override):
        node = dataclasses.replace(node, base=fit(node.base, panels, truths, rows, fitted))
        return _with_threshold(node, panels, truths, rows) if "threshold" in fitted else node
    if isinstance(node, Vote):
        labelled = rows[truths[space][rows] != UNKNOWN]
        if "weights" in fitted and len(node.members) > 1:
            node = _with_weights(node, panels, truths[space], labelled, space)
        if "temperature" in fitted:
            plain = count_votes(dataclasses.replace(node, temperature=1.0), panels, space)
            temperature = fit_temperature(plain.probabilities[labelled], truths[space][labelled])
            node = dataclasses.replace(node, temperature=temperature)
    return node


def check_fittable(root: Node, fitted: Sequence[Fitted]) -> None:
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
    if not any(can[name] for name in fitted):
        raise ValueError(
            f"fit={list(fitted)}: this ensemble has none of them; weights need a vote of two members or more "
            "at its root, at a part of its composition or as the base of its override, temperature such a "
            "vote of one or more, threshold an override"
        )


def fitted_nodes(node: Node, space: str = "class18") -> list[tuple[str, Node]]:
    """The votes and overrides that `fit` fits, each with the task it votes on, from the root down."""
    below: list[tuple[str, Node]] = []
    if isinstance(node, Compose):
        below = [found for task, part in node.parts for found in fitted_nodes(part, task)]
    elif isinstance(node, Override):
        below = fitted_nodes(node.base)
    return below if isinstance(node, Leaf | Compose) else [(space, node), *below]


def ballot_of(node: Node, panels: Panels, space: str) -> Ballot:
    """The probabilities of a node and its own choices.

    Args:
        node: a tree or a part of it.
        panels: over n photos.
        space: the task that the node votes on.
    """
    # A hard vote of one voter keeps its choices; a soft one would take the most probable classes.
    verdict = count_votes(Vote(members=(node,), rule="hard"), panels, space)
    return Ballot(probabilities=verdict.probabilities, choices=verdict.classes)


def flips_of(node: Override, panels: Panels) -> Flips:
    """What an override changes of each photo, as a function of its threshold."""
    place = TASKS[node.task].classes.index(node.category)
    return Flips(
        probability=ballot_of(node.by, panels, node.task).probabilities[:, place],
        before=ballot_of(node.base, panels, "class18").choices,
        after=ballot_of(dataclasses.replace(node, above=0.0), panels, "class18").choices,
    )


def category_of(node: Override) -> tuple[str, int]:
    """The factor that an override changes, and the code of the value it sets."""
    return node.factor, FACTORS[node.factor].index(node.category)


def _with_threshold(
    node: Override, panels: Panels, truths: Mapping[str, IntArray], rows: IntArray
) -> Override:
    scores = score_thresholds(flips_of(node, panels).part(rows), truths["class18"][rows], *category_of(node))
    return dataclasses.replace(node, above=float(scores.above[scores.best]))


def _with_weights(node: Vote, panels: Panels, truth: IntArray, rows: IntArray, space: str) -> Vote:
    ballots = [ballot_of(member, panels, space) for member in node.members]
    by: Criterion = "macro_f1" if node.rule == "hard" else "log_loss"
    found = select_members(ballots, truth, rows, by=by, size=_GREEDY_SIZE, rule=node.rule)
    kept = [(m, float(c)) for m, c in zip(node.members, found.chosen, strict=True) if c]
    return dataclasses.replace(
        node, members=tuple(m for m, _ in kept), weights=tuple(weight for _, weight in kept)
    )
