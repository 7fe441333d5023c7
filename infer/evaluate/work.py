"""An ensemble scored out of fold, and the files that show how good it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache.reader import Cache
from faces.files import check_writable, exclusive, write_atomically
from faces.intervals import estimate, gain
from faces.labels import FloatArray
from faces.storage.documents import DamagedError, read_document, write_document
from faces.storage.tables import write_table
from faces.terminal.progress import step_progress
from infer.cards.text import CARD, model_card
from infer.ensemble.calibration import log_loss, reliability
from infer.ensemble.tree import Ensemble, Leaf
from infer.ensemble.vote import Verdict
from infer.evaluate.panels import Scored, plan_of_ensemble, predict_out_of_fold
from infer.evaluate.picture import draw_evaluation
from infer.evaluate.scores import confidence_of, count_groups, score, share_counts
from infer.evaluate.table import Evaluation, Member, Views, print_sections, sections
from infer.predict.half_done import say_half_done
from infer.predict.heads import Panels
from infer.predict.others import check_not_of_another, title_of
from infer.predict.out_of_fold import ORIGINAL
from infer.predict.views import count_of
from train.engine.compute import PredictCompute

_CHOSEN = 'recipes with keep = "best" have kept the epoch that was best on the photos that score it here'


def evaluate(
    ensemble: Ensemble, cache: Cache, *, runs: Path, predictions: Path, compute: PredictCompute
) -> None:
    """Score an ensemble out of fold, print, draw and write.

    Args:
        ensemble: the ensemble to score.
        cache: the cache that all its recipes were trained on.
        runs: folder of all runs.
        predictions: folder of all predictions; files go to `<ensemble>/out_of_fold` in it.
        compute: where to predict what training has not stored.

    Raises:
        ValueError: as `plan_of_ensemble`, or the folder holds another cache's scores or is being written.
        OSError: the folder cannot be written.
    """
    console = Console(markup=False)
    scored = plan_of_ensemble(ensemble, runs, cache)
    say_half_done(scored.plan.every_run, console, cache)
    folder = predictions / ensemble.name / "out_of_fold"
    with exclusive(folder, doing="evaluating into it", cure="give another folder (PREDICTIONS=)"):
        _check_folder(folder, predictions, cache, console)
        check_writable(folder)
        evaluation = _evaluate_held(ensemble, scored, compute, folder, console)
    print_sections(sections(evaluation, scored.task), console)
    for name, value in evaluation.conditions.items():
        console.print(f"{name}: {value}", highlight=False, soft_wrap=True, style="dim")
    files = f"evaluation.png, {CARD}, scores.json, out_of_fold.parquet"
    console.print(f"written to {folder}: {files}", highlight=False, soft_wrap=True)


def _check_folder(folder: Path, predictions: Path, cache: Cache, console: Console) -> None:
    """Refuse the folder of another cache's evaluation; one that is not readable is none, which is said."""
    path = folder / "scores.json"
    if not path.is_file():
        return
    try:
        there = str(read_document(path, "writing it anew")["conditions"]["cache"])
    except (DamagedError, KeyError, TypeError) as error:
        what = str(error) if isinstance(error, DamagedError) else f"{path}: no scores; writing it anew"
        console.print(what, style="yellow", highlight=False, soft_wrap=True)
        return
    cure = f"give another folder, such as PREDICTIONS={predictions / cache.folder.resolve().name}"
    check_not_of_another(folder, "the scores", there, cache, cure)


def _evaluate_held(
    ensemble: Ensemble, scored: Scored, compute: PredictCompute, folder: Path, console: Console
) -> Evaluation:
    """Predict, score and write into a folder that is held."""
    panels = predict_out_of_fold(scored.plan, ensemble.views, compute, console, ensemble.views_rule)
    with step_progress("groups", console=console, transient=True) as progress:
        bar = progress.add_task("drawing people", total=count_groups(scored.truth, scored.task))
        verdict = scored.vote(ensemble.root, panels)
        evaluation = evaluated(ensemble, scored, panels, verdict, lambda: progress.advance(bar))
    _write(evaluation, scored, verdict, folder)
    return evaluation


def _out_of_fold_table(scored: Scored, verdict: Verdict) -> pd.DataFrame:
    """Columns key, ImageID, person, fold, each factor's true labels, ans, and a probability a class.

    Args:
        scored: the plan, all photos of which have a row, and the task.
        verdict: the ensemble's answers to them.
    """
    facts = ["key", "image_id", "person", "fold", *scored.labels.names]
    table = scored.plan.photos[facts].rename(columns={"image_id": "ImageID"}).assign(ans=verdict.classes)
    probabilities = pd.DataFrame(verdict.probabilities.astype(np.float32), columns=scored.task.columns)
    return pd.concat([table, probabilities], axis=1)


def _plain_numbers(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses as tables, NaN as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain_numbers(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_numbers(inner) for inner in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _scores_table(evaluation: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON can hold it."""
    table: dict[str, Any] = _plain_numbers(evaluation)
    scores = table["scores"]
    # A task's only number is `seniors`, the name that readers of the contest's scores know.
    if len(evaluation.scores.last_bands) == 1:
        [seniors] = scores.pop("last_bands").values()
        table["scores"] = {"overall": scores.pop("overall"), "seniors": seniors, **scores}
    return table


def _conditions(ensemble: Ensemble, scored: Scored) -> dict[str, str]:
    """What must be known to read scores: data, folds, views, and what flatters them."""
    plan = scored.plan
    cards = [mine[0].card for mine in plan.runs.values()]
    card = cards[0]
    half = [f"{run.name} ({run.half_done})" for run in plan.every_run if run.half_done]
    return {
        "ensemble": ensemble.about or ensemble.name,
        **({"task": scored.said} if scored.said else {}),
        **({"labels": scored.note} if scored.note else {}),
        "recipes": ", ".join(plan.runs),
        "views": ensemble.shown_views,
        **({"half done": ", ".join(half)} if half else {}),
        "cache": title_of(plan.cache.folder, plan.cache.identity),
        "folds": f"{plan.fold_count} of {card.folds}, scheme {card.scheme}, seed {card.fold_seed}",
        "read with care": "out of fold one model of each recipe answers, on new photos all its folds"
        + (f"; {_CHOSEN}" if any(run.card.recipe.keep == "best" for run in plan.every_run) else ""),
    }


def evaluated(
    ensemble: Ensemble, scored: Scored, panels: Panels, verdict: Verdict, advance: Callable[[], object]
) -> Evaluation:
    """The scores of an ensemble, and of its members and the original view beside it.

    Args:
        ensemble: that answered.
        scored: the photos that are scored.
        panels: the answers of its runs to all photos of the plan.
        verdict: its own answers to them.
        advance: called after each group of photos, of which there are `count_groups`.
    """
    plan, truth, answers = scored.plan, scored.truth, scored.part(verdict)
    mine = scored.counts(answers.classes)
    views = None
    if ensemble.views != ORIGINAL:
        alone = scored.counts(scored.answers(ensemble.root, plan.stored()))
        views = Views(
            names=ensemble.views,
            images=count_of(ensemble.views) * len(plan.runs),
            original_images=len(plan.runs),
            macro_f1=estimate([alone]),
            gain=gain([mine], [alone]),
        )
    return Evaluation(
        ensemble=ensemble.name,
        conditions=_conditions(ensemble, scored),
        scores=score(scored.person, truth, answers.classes, scored.task, advance),
        ece=reliability(confidence_of(answers), answers.classes == truth).error,
        log_loss=log_loss(answers.probabilities, truth),
        members=tuple(_member_scores(scored, panels, mine)) if len(plan.runs) > 1 else (),
        views=views,
    )


def _member_scores(scored: Scored, panels: Panels, ensemble: FloatArray) -> list[Member]:
    """Recipes that alone tell the task, the best first."""
    found = []
    everyone = np.ones(len(scored.truth), bool)
    for recipe in scored.telling():
        guess = scored.answers(Leaf(recipe), panels)
        counts = scored.counts(guess)
        found.append(
            Member(
                recipe=recipe,
                macro_f1=estimate([counts]),
                accuracy=estimate([share_counts(scored.person, guess == scored.truth, everyone)]),
                gain=gain([ensemble], [counts]),
            )
        )
    return sorted(found, key=lambda member: -member.macro_f1.value)


def _write(evaluation: Evaluation, scored: Scored, verdict: Verdict, folder: Path) -> None:
    table = _out_of_fold_table(scored, verdict)
    write_table(folder / "out_of_fold.parquet", table)
    write_document(folder / "scores.json", _scores_table(evaluation))
    answers, overall = scored.part(verdict), evaluation.scores.overall
    draw_evaluation(
        f"{evaluation.ensemble}, out of fold: macro F1{scored.of_task} {overall.scores['macro_f1']} "
        f"over {overall.photos:,} photos of {overall.people:,} people",
        scored.person,
        scored.truth,
        answers.classes,
        confidence_of(answers),
        evaluation.scores,
        scored.task,
        folder / "evaluation.png",
    )
    about, runs = evaluation.conditions["ensemble"], scored.plan.every_run
    card = model_card(evaluation.ensemble, about, runs, evaluation, scored.task)
    write_atomically(folder / CARD, card.encode())
