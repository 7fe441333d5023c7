"""Greedy ensemble selection with replacement: how often each member is counted is its weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from faces.intervals import mean_f1, person_counts
from faces.labels import FloatArray, IntArray
from infer.ensemble.calibration import log_loss
from infer.ensemble.rules import take_vote
from infer.ensemble.tree import Rule
from infer.ensemble.vote import Ballot
from infer.tune.choices import Criterion


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Ensembles of 1, 2, 3 ... members, each the one before with a member added."""

    counts: IntArray
    """[sizes, members] how often each member is in."""
    macro_f1: FloatArray
    """[sizes] macro F1 on the photos that the members were selected on."""
    log_loss: FloatArray
    """[sizes] log-loss on the same photos."""
    started: int
    """How many members the start by rank has; all later ones were added one by one."""
    best: int
    """The size, less 1, that is best; of equal ones the smallest."""

    @property
    def chosen(self) -> IntArray:
        """[members] counts of the best size."""
        return np.asarray(self.counts[self.best], np.int64)


def select_members(
    ballots: Sequence[Ballot],
    truth: IntArray,
    rows: IntArray,
    *,
    by: Criterion,
    size: int,
    rule: Rule = "soft",
    advance: Callable[[], object] = lambda: None,
) -> Selection:
    """Choose members with replacement (Caruana, Niculescu-Mizil, Crew and Ksikes, 2004).

    Sorted initialisation: members are ranked by their own score, and the ensemble starts with so many of the
    first as score best together. Then, one at a time, the member is added that helps most or harms least. The
    best single member is the first of the ensembles that are compared, so that none is chosen that is worse
    than it on `rows`.

    Args:
        ballots: each member's, over all n photos.
        truth: [n] classes; only those of `rows` are looked at.
        rows: [r] photos on which ensembles are compared.
        by: what is improved.
        size: votes of the largest ensemble, members counted as often as they are in.
        rule: rule of the vote.
        advance: called after each size but those of the start, `size` times at most.
    """
    scorer = _Scorer(ballots, truth, rows, by, rule)
    alone = [scorer.score(counts) for counts in np.eye(len(ballots), dtype=np.int64)]
    ranks = sorted(range(len(ballots)), key=lambda member: alone[member], reverse=True)
    start = np.zeros((min(size, len(ballots)), len(ballots)), np.int64)
    for place, member in enumerate(ranks[: len(start)]):
        start[place:, member] += 1
    scores = [scorer.score(counts) for counts in start]
    started = 1 + max(range(len(start)), key=lambda place: scores[place])
    path, scores = [*start[:started]], scores[:started]
    while len(path) < size:
        tried = [path[-1] + added for added in np.eye(len(ballots), dtype=np.int64)]
        values = [scorer.score(counts) for counts in tried]
        better = max(range(len(tried)), key=lambda member: values[member])
        path.append(tried[better])
        scores.append(values[better])
        advance()
    best = max(range(len(path)), key=lambda place: scores[place])
    f1, negative = (np.array([score[key] for score in scores]) for key in scorer.places)
    return Selection(counts=np.stack(path), macro_f1=f1, log_loss=-negative, started=started, best=best)


def weighted_vote(ballots: Sequence[Ballot], counts: IntArray, rule: Rule) -> Ballot:
    """The vote of members, each counted as often as given; 0 leaves a member out."""
    inside = np.flatnonzero(counts).tolist()
    return take_vote([ballots[member] for member in inside], (counts[inside] / counts.sum()).tolist(), rule)


@dataclass(frozen=True)
class _Scorer:
    """Scores votes on the photos that may be looked at."""

    ballots: Sequence[Ballot]
    truth: IntArray
    rows: IntArray
    by: Criterion
    rule: Rule

    @property
    def places(self) -> tuple[int, int]:
        """Where macro F1 and negative log-loss stand in a score."""
        return (0, 1) if self.by == "macro_f1" else (1, 0)

    def score(self, counts: IntArray) -> tuple[float, float]:
        """The score that is compared first, and the one that decides between equals; larger is better."""
        vote = weighted_vote(self.ballots, counts, self.rule)
        truth, guess = self.truth[self.rows], vote.choices[self.rows]
        one = np.zeros(len(truth), np.int64)
        f1 = mean_f1(person_counts(one, truth, guess, 1, vote.probabilities.shape[1])[0])
        # Means that differ in their last bits are equal, so that the other score decides.
        pair = (round(float(f1), 12), round(-log_loss(vote.probabilities[self.rows], truth), 12))
        return pair if self.by == "macro_f1" else pair[::-1]
