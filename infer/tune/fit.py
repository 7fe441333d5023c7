"""Values of an ensemble's tree, fitted to photos that its networks never saw."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from faces.labels import IntArray
from infer.ensemble.calibration import fit_temperature
from infer.ensemble.expected import fit_adjust
from infer.ensemble.tree import ADJUSTED, Compose, Node, Override, Vote
from infer.tune.answered import Answered
from infer.tune.choices import Criterion, Fitted
from infer.tune.greedy import select_members
from infer.tune.threshold import Flips, ThresholdScores, score_each, score_thresholds

_GREEDY_SIZE = 40
"""Votes of the greedy selection whose counts become weights: shares are multiples of 1/40 or coarser."""


def fit(node: Node, given: Answered, rows: IntArray, fitted: Sequence[Fitted], task: str = "") -> Node:
    """A tree with its values fitted to some photos.

    Fitted are the vote at the root, those that are a part of a composition (on the part's own task), and the
    base of an override, before the override's threshold. Votes within votes stay as they are, as does what
    votes on a task of which none of the photos is labelled.

    - weights: greedy selection with replacement (`select_members`) by log-loss; of a hard vote, whose
      probabilities decide nothing, by macro F1, there each member's voters with one choice together.
      Members that are never chosen are left out.
    - temperature: least log-loss, after the weights.
    - adjust: how many times each value of a factor counts in the choice, for the largest macro F1 that is to
      be expected (`fit_adjust`), after the temperature; of soft and log votes.
    - threshold: largest macro F1 over the classes that the override's base votes on.

    Args:
        node: the root, or a part of it.
        given: n photos and their answers.
        rows: photos whose truth may be looked at.
        fitted: which values are fitted.
        task: the task that the node votes on; left out, the root's.
    """
    task = task or given.space
    if isinstance(node, Compose):
        parts = tuple((own, fit(part, given, rows, fitted, own)) for own, part in node.parts)
        return Compose(parts=parts)
    if isinstance(node, Override):
        own = given.base_task(node, task)
        node = dataclasses.replace(node, base=fit(node.base, given, rows, fitted, own))
        labelled = given.labelled(rows, own)
        return (
            _with_threshold(node, given, labelled, own) if "threshold" in fitted and len(labelled) else node
        )
    labelled = given.labelled(rows, task)
    if isinstance(node, Vote) and len(labelled):
        if "weights" in fitted and len(node.members) > 1:
            node = _with_weights(node, given, labelled, task)
        if "temperature" in fitted:
            plain = given.vote(dataclasses.replace(node, temperature=1.0), task)
            temperature = fit_temperature(plain.probabilities[labelled], given.truth(task)[labelled])
            node = dataclasses.replace(node, temperature=temperature)
        if "adjust" in fitted and node.rule in ADJUSTED:
            node = _with_adjust(node, given, labelled, task)
    return node


def check_fittable(root: Node, fitted: Sequence[Fitted]) -> None:
    """Refuse a tree that has nothing of what is to be fitted.

    Raises:
        ValueError: naming what it would take.
    """
    nodes = _fittable(root)
    votes = [node for node in nodes if isinstance(node, Vote)]
    can = {
        "weights": any(len(vote.members) > 1 for vote in votes),
        "temperature": bool(votes),
        "adjust": any(vote.rule in ADJUSTED for vote in votes),
        "threshold": any(isinstance(node, Override) for node in nodes),
    }
    if not any(can[name] for name in fitted):
        raise ValueError(
            f"fit={list(fitted)}: this ensemble has none of them; weights need a vote of two members or more "
            "at its root, at a part of its composition or as the base of its override, temperature such a "
            "vote of one or more, adjust one by soft or log, threshold an override"
        )


def _fittable(node: Node) -> list[Node]:
    if isinstance(node, Compose):
        return [found for _, part in node.parts for found in _fittable(part)]
    if isinstance(node, Override):
        return [node, *_fittable(node.base)]
    return [node]


def flips_of(node: Override, given: Answered, task: str) -> Flips:
    """What an override changes of each photo, as a function of its threshold.

    Args:
        node: the override.
        given: n photos and their answers.
        task: the task that its base votes on.
    """
    place = given.labels.task(node.task).classes.index(node.category)
    # What decides both ways changes answers also where it never sets the category.
    never = dataclasses.replace(node, above=math.nextafter(1, 0)) if node.otherwise else node.base
    return Flips(
        probability=given.ballot(node.by, node.task).probabilities[:, place],
        before=given.ballot(never, task).choices,
        after=given.ballot(dataclasses.replace(node, above=0.0), task).choices,
    )


def thresholds_of(node: Override, given: Answered, rows: IntArray, task: str) -> ThresholdScores:
    """Scores of an override at each threshold on some photos that are labelled for its base's task."""
    [factor] = given.labels.task(node.task).factors
    truth, own = given.truth(task)[rows], given.labels.task(task)
    code = given.labels.factor(factor).classes.index(node.category)
    if given.is_one_voice(node.base, task):
        return score_thresholds(flips_of(node, given, task).part(rows), truth, own, factor, code)
    place = given.labels.task(node.task).classes.index(node.category)
    voters = given.vote(Vote(members=(node.by,)), node.task).probabilities[rows, place]
    return score_each(
        lambda above: answers_at(node, given, task, above)[rows], voters, truth, own, factor, code
    )


def answers_at(node: Override, given: Answered, task: str, above: float) -> IntArray:
    """[n] answers of an override with another threshold."""
    return given.ballot(dataclasses.replace(node, above=above), task).choices


def _with_threshold(node: Override, given: Answered, rows: IntArray, task: str) -> Override:
    scores = thresholds_of(node, given, rows, task)
    return dataclasses.replace(node, above=float(scores.above[scores.best]))


def _with_adjust(node: Vote, given: Answered, rows: IntArray, task: str) -> Vote:
    plain = given.vote(node, task)
    own = given.labels.task(task)
    times = fit_adjust(plain.probabilities[rows], given.truth(task)[rows], own)
    adjust = []
    for part in own.parts:
        rounded = [float(f"{value:.3g}") for value in times[part.factor.name]]
        values = tuple((name, each) for name, each in zip(part.classes, rounded, strict=True) if each != 1)
        adjust += [(part.factor.name, values)] if values else []
    return dataclasses.replace(node, adjust=tuple(adjust))


def _with_weights(node: Vote, given: Answered, rows: IntArray, task: str) -> Vote:
    ballots = [given.ballot(member, task, node.rule) for member in node.members]
    by: Criterion = "macro_f1" if node.rule == "hard" else "log_loss"
    found = select_members(ballots, given.truth(task), rows, by=by, size=_GREEDY_SIZE, rule=node.rule)
    kept = [(m, float(c)) for m, c in zip(node.members, found.chosen, strict=True) if c]
    return dataclasses.replace(
        node, members=tuple(m for m, _ in kept), weights=tuple(weight for _, weight in kept)
    )
