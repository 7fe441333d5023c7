"""The card of a recipe's folds, scored by the answers that training kept out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from faces.cache.description import file_sha256
from faces.labels import UNKNOWN, Task
from infer.cards.text import CARD, model_card
from infer.ensemble.calibration import log_loss, reliability
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, Leaf
from infer.ensemble.vote import count_votes
from infer.evaluate.scores import confidence_of, numbered, score
from infer.evaluate.table import Evaluation
from infer.predict.runs import Run, find_runs, read_run
from train.engine.card import BEST_FILE, OOF_FILE
from train.recipe.ending import epochs_kept
from train.results.oof import heads_of
from train.results.together import read_checked_oof


def card_of_run(folder: Path) -> str:
    """The card of a recipe's folds, or of one.

    Args:
        folder: `runs/<recipe>`, or `runs/<recipe>/fold<k>`.

    Raises:
        ValueError: no trained fold, or one that cannot be used.
    """
    folder = folder.resolve()
    alone = (folder / BEST_FILE).is_file()
    if alone:
        name = "/".join(folder.parts[-2:])
        runs = [read_run(name, folder / BEST_FILE)]
    else:
        name = folder.name
        runs = find_runs([name], folder.parent)[name]
    return card_of_folds(name, runs)


def card_of_folds(name: str, runs: Sequence[Run]) -> str:
    """The card of folds of one recipe, from their cards and their answers out of fold.

    Args:
        name: what the card calls them.
        runs: one or more folds of a recipe.
    """
    evaluation, task = _evaluation(name, runs) or (None, None)
    return model_card(name, runs[0].card.recipe.about, runs, evaluation, task)


def card_of_ensemble(ensemble: Ensemble, runs: Sequence[Run], predictions: Path) -> str:
    """The card of an ensemble: that which `make evaluate` wrote of these very runs, else one without scores.

    Args:
        ensemble: that votes.
        runs: all its runs.
        predictions: folder of all predictions.
    """
    path = predictions / ensemble.name / "out_of_fold" / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text and all(file_sha256(run.path) in text for run in runs):
        return text
    return model_card(ensemble.name, ensemble.about, runs)


def _evaluation(name: str, runs: Sequence[Run]) -> tuple[Evaluation, Task] | None:
    """Scores of folds by their answers out of fold, and the task they are of; None where nobody validated, no
    photo that did is labelled, or the heads form no task together."""
    answered = [run for run in runs if run.path.with_name(OOF_FILE).is_file()]
    card = runs[0].card
    try:
        space = space_of(Ensemble(name=name, root=Leaf(name)), {name: card.recipe.tasks}, card.labels)
    except ValueError:
        return None
    if not answered:
        return None
    table = pd.concat([read_checked_oof(run.path.parent) for run in answered], ignore_index=True)
    task = card.labels.task(space)
    table = table[task.encode(table) != UNKNOWN].reset_index(drop=True)
    if table.empty:
        return None
    verdict = count_votes(Leaf(name), {name: [heads_of(table, card.labels)]}, space, card.labels)
    truth, person = task.encode(table), numbered(table["person"])
    evaluation = Evaluation(
        ensemble=name,
        conditions={
            "photos": f"of {len(answered)} of {card.folds} folds, each answered by the one that left it out",
            "epochs": epochs_kept(card.recipe),
        },
        scores=score(person, truth, verdict.classes, task),
        ece=reliability(confidence_of(verdict), verdict.classes == truth).error,
        log_loss=log_loss(verdict.probabilities, truth),
        members=(),
        views=None,
    )
    return evaluation, task
