"""What a reader must not expect of networks, as far as their own files tell."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from infer.evaluate.scores import Group
from infer.evaluate.table import Evaluation
from infer.predict.runs import Run


def limits_of(runs: Sequence[Run], evaluation: Evaluation | None) -> list[str]:
    """Sentences on what is known to be weak, the most general first.

    Args:
        runs: one or more.
        evaluation: what they scored out of fold; None where nothing scores them.
    """
    return [*_of_training(runs), *(_of_scores(evaluation) if evaluation else [])]


def _of_training(runs: Sequence[Run]) -> Iterator[str]:
    cards = [run.card for run in runs]
    if half := [f"{run.name} ({run.half_done})" for run in runs if run.half_done]:
        yield f"Trained in part only: {', '.join(half)}."
    if any(card.scheme == "image" for card in cards):
        yield "Photos, not people, were dealt to folds: people stand on both sides, so scores are too good."
    if any(card.scheme == "everything" for card in cards):
        yield "All photos trained and none validated, so that no score tells how good it is."
    if any(card.recipe.keep == "best" and not math.isnan(card.score) for card in cards):
        yield "The epoch kept was chosen by the photos that score it, which flatters scores out of fold."
    if any(card.recipe.weights or card.recipe.begin_with or card.recipe.pretrained for card in cards):
        yield (
            "Networks started from weights that had seen other photos; whether people scored here were among "
            "those is not known."
        )


def _of_scores(evaluation: Evaluation) -> Iterator[str]:
    scores = evaluation.scores
    if caution := scores.overall.scores["macro_f1"].caution:
        yield f"Intervals: {caution}."
    known = [group for group in scores.classes if not math.isnan(group.scores["f1"].value)]
    if len(known) > 1:
        worst = min(known, key=lambda group: group.scores["f1"].value)
        yield f"The class with the lowest F1 is {_said(worst, 'f1')}."
    for factor, groups in scores.slices.items():
        if len(groups) > 1:
            low, high = (choose(groups, key=_accuracy) for choose in (min, max))
            yield (
                f"By {factor}, accuracy is lowest for {_said(low, 'accuracy')}, highest for "
                f"{_said(high, 'accuracy')}."
            )


def _accuracy(group: Group) -> float:
    return group.scores["accuracy"].value


def _said(group: Group, score: str) -> str:
    return f"{group.name}: {group.scores[score]} on {group.photos:,} photos of {group.people:,} people"
