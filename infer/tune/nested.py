"""Fits scored by nested folds: photos of each fold are answered by what was fitted without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faces.intervals import pooled_f1
from faces.labels import IntArray
from infer.ensemble.tree import Node, Vote, children
from infer.ensemble.vote import Ballot, Verdict
from infer.evaluate.panels import Scored
from infer.tune.answered import Answered
from infer.tune.choices import FITTED, Criterion, Fitted
from infer.tune.fit import fit
from infer.tune.greedy import Selection, select_members, weighted_vote


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
    given: Answered,
    fold: IntArray,
    fitted: Sequence[Fitted] = FITTED,
    advance: Callable[[], object] = lambda: None,
) -> Tuned:
    """Fit by nested folds: for each fold on the photos of all others, and in the end on all.

    Args:
        root: the tree whose values are fitted.
        given: n photos and their answers.
        fold: [n] number of each photo's fold; at least two have photos labelled for the root's task.
        fitted: which values are fitted.
        advance: called after each of the fits: one for each fold with labelled photos, and one more.

    Raises:
        ValueError: one fold only.
    """
    everyone = np.arange(len(fold))
    numbers = _numbers(fold[given.labelled(everyone, given.space)], "values fitted on it have")
    trees: dict[int, Node] = {}
    nested = given.vote(root, given.space)
    for number in numbers:
        trees[number] = fit(root, given, np.flatnonzero(fold != number), fitted)
        nested = _replaced(nested, given.vote(trees[number], given.space), fold == number)
        advance()
    whole = fit(root, given, everyone, fitted)
    advance()
    return Tuned(folds=trees, whole=whole, nested=nested, apparent=given.vote(whole, given.space))


def tune_judged(
    root: Node,
    scored: Scored,
    given: Answered,
    fitted: Sequence[Fitted],
    advance: Callable[[], object] = lambda: None,
) -> tuple[Tuned, str]:
    """Fit by nested folds, with adjusted choices where these have the larger macro F1 by nested folds.

    Args:
        root: the tree whose values are fitted.
        scored: photos and the task of the answers.
        given: the answers to the same photos.
        fitted: which values are fitted; `adjust` alone is fitted whatever it gives.
        advance: called after each fit, of which there are up to twice the folds and one.

    Returns:
        What is kept, and a line on both where there were two.
    """
    fold = scored.plan.photos["fold"].to_numpy(np.int64)
    tuned = tune(root, given, fold, fitted, advance)
    others = [name for name in fitted if name != "adjust"]
    if not others or len(others) == len(fitted) or not any(map(_adjusts, tuned.folds.values())):
        return tuned, ""
    plain = tune(root, given, fold, others, advance)
    with_it, without = (
        pooled_f1([scored.counts(scored.part(each.nested).classes)]) for each in (tuned, plain)
    )
    told = f"adjust: macro F1 by nested folds {with_it:.3f} with it, {without:.3f} without"
    return (tuned, told) if with_it > without else (plain, f"{told}: choices are not adjusted")


def _adjusts(node: Node) -> bool:
    mine = isinstance(node, Vote) and bool(node.adjust)
    return mine or any(map(_adjusts, children(node)))


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A selection fitted on all photos, and once without each fold's."""

    whole: Selection
    folds: Mapping[int, Selection]
    nested: IntArray
    """[sizes, n] answers of each size's nested ensembles: each photo by that of its fold."""
    chosen: IntArray
    """[n] nested answers where each fold's selection also chose its own size."""


def select_nested(
    ballots: Sequence[Ballot],
    truth: IntArray,
    fold: IntArray,
    *,
    by: Criterion,
    size: int,
    advance: Callable[[], object] = lambda: None,
) -> Selected:
    """Select on all photos, and for each fold on the photos of the others.

    Args:
        ballots: each recipe's, over all n photos.
        truth: [n] classes.
        fold: [n] number of each photo's fold, at least two different ones.
        by: what is improved.
        size: votes of the largest ensemble.
        advance: called after each selection, of which there are folds + 1.

    Raises:
        ValueError: one fold only.
    """
    numbers = _numbers(fold, "what is selected on it has")
    nested = np.zeros((size, len(truth)), np.int64)
    chosen = np.zeros(len(truth), np.int64)
    folds = {}
    for number in numbers:
        mine = fold == number
        found = select_members(ballots, truth, np.flatnonzero(~mine), by=by, size=size)
        for place, counts in enumerate(found.counts):
            nested[place, mine] = weighted_vote(ballots, counts, "soft").choices[mine]
        chosen[mine] = nested[found.best, mine]
        folds[number] = found
        advance()
    whole = select_members(ballots, truth, np.arange(len(truth)), by=by, size=size)
    advance()
    return Selected(whole=whole, folds=folds, nested=nested, chosen=chosen)


def _numbers(fold: IntArray, fitted: str) -> list[int]:
    """The folds' numbers, which must be two or more."""
    numbers = [int(number) for number in np.unique(fold)]
    if len(numbers) < 2:
        raise ValueError(
            f"only fold {numbers[0]} validates: {fitted} no other people to be scored on; "
            "train at least two folds of scheme person"
        )
    return numbers


def _replaced(verdict: Verdict, other: Verdict, mine: NDArray[np.bool_]) -> Verdict:
    """A verdict with some photos taken from another."""
    return Verdict(
        classes=np.where(mine, other.classes, verdict.classes),
        probabilities=np.where(mine[:, None], other.probabilities, verdict.probabilities),
        agreement=np.where(mine, other.agreement, verdict.agreement),
    )
