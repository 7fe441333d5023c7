"""An ensemble scored out of fold, and the files that show how good it is."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache import Cache
from faces.intervals import estimate, gain
from faces.labels import CLASS_NAMES, FloatArray, IntArray, covers_classes
from faces.terminal import step_progress
from faces.writer import write_atomically
from infer.ensemble.calibration import log_loss, reliability
from infer.ensemble.tree import Ensemble, Leaf
from infer.ensemble.vote import Verdict, count_votes
from infer.evaluate.panels import plan_of_ensemble, predict_out_of_fold
from infer.evaluate.picture import draw_evaluation
from infer.evaluate.scores import class_counts, confidence_of, count_groups, numbered, score, share_counts
from infer.evaluate.table import Evaluation, Member, Views, print_sections, render_page, sections
from infer.predict.heads import Panels
from infer.predict.out_of_fold import ORIGINAL, OutOfFold
from infer.predict.views import count_of
from train.engine.compute import PredictCompute


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
        ValueError: as `plan_of_ensemble`.
    """
    console = Console()
    plan = plan_of_ensemble(ensemble, runs, cache)
    panels = predict_out_of_fold(plan, ensemble.views, compute, console)
    with step_progress("groups", console=console, transient=True) as progress:
        groups = count_groups(plan.photos["class18"].to_numpy(np.int64))
        bar = progress.add_task("drawing people", total=groups)
        verdict = count_votes(ensemble.root, panels)
        evaluation = _evaluated(ensemble, plan, panels, verdict, lambda: progress.advance(bar))
    folder = predictions / ensemble.name / "out_of_fold"
    folder.mkdir(parents=True, exist_ok=True)
    _write(evaluation, plan, verdict, folder)
    print_sections(sections(evaluation), console)
    for name, value in evaluation.conditions.items():
        console.print(f"{name}: {value}", highlight=False, soft_wrap=True, style="dim")
    files = "report.html, evaluation.png, scores.json, out_of_fold.parquet"
    console.print(f"written to {folder}: {files}", highlight=False, soft_wrap=True)


def _out_of_fold_table(photos: pd.DataFrame, verdict: Verdict) -> pd.DataFrame:
    """Columns key, ImageID, person, fold, mask, gender, age (true labels), ans, and a probability a class.

    Args:
        photos: `OutOfFold.photos`.
        verdict: the ensemble's answers to them.
    """
    known = photos[["key", "image_id", "person", "fold", "mask", "gender", "age"]]
    table = known.rename(columns={"image_id": "ImageID"}).assign(ans=verdict.classes)
    probabilities = pd.DataFrame(verdict.probabilities.astype(np.float32), columns=CLASS_NAMES)
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


def _conditions(ensemble: Ensemble, plan: OutOfFold) -> dict[str, str]:
    """What must be known to read scores: data, folds, views, and what flatters them."""
    cards = [mine[0].card for mine in plan.runs.values()]
    card = cards[0]
    return {
        "ensemble": ensemble.about or ensemble.name,
        "recipes": ", ".join(plan.runs),
        "views": " + ".join(ensemble.views),
        "cache": f"{plan.cache.folder}, {plan.cache.identity[:12]}",
        "folds": f"{plan.fold_count} of {card.folds}, scheme {card.scheme}, seed {card.fold_seed}",
        "read with care": "out of fold one model of each recipe answers, on new photos all its folds; and "
        "each run's best epoch was picked by the photos that score it here",
    }


def _evaluated(
    ensemble: Ensemble, plan: OutOfFold, panels: Panels, verdict: Verdict, advance: Callable[[], object]
) -> Evaluation:
    person, truth = numbered(plan.photos["person"]), plan.photos["class18"].to_numpy(np.int64)
    mine = class_counts(person, truth, verdict.classes)
    views = None
    if ensemble.views != ORIGINAL:
        plain = count_votes(ensemble.root, plan.stored()).classes
        alone = class_counts(person, truth, plain)
        views = Views(
            names=ensemble.views,
            images=count_of(ensemble.views) * len(plan.runs),
            original_images=len(plan.runs),
            macro_f1=estimate([alone]),
            gain=gain([mine], [alone]),
        )
    return Evaluation(
        ensemble=ensemble.name,
        conditions=_conditions(ensemble, plan),
        scores=score(person, truth, verdict.classes, advance),
        ece=reliability(confidence_of(verdict), verdict.classes == truth).error,
        log_loss=log_loss(verdict.probabilities, truth),
        members=tuple(_member_scores(plan, panels, person, truth, mine)) if len(plan.runs) > 1 else (),
        views=views,
    )


def _member_scores(
    plan: OutOfFold, panels: Panels, person: IntArray, truth: IntArray, ensemble: FloatArray
) -> list[Member]:
    """Recipes that tell the 18 classes alone, the best first."""
    found = []
    everyone = np.ones(len(truth), bool)
    for recipe, runs in plan.runs.items():
        if not covers_classes(runs[0].card.recipe.tasks):
            continue
        guess = count_votes(Leaf(recipe), panels).classes
        counts = class_counts(person, truth, guess)
        found.append(
            Member(
                recipe=recipe,
                macro_f1=estimate([counts]),
                accuracy=estimate([share_counts(person, guess == truth, everyone)]),
                gain=gain([ensemble], [counts]),
            )
        )
    return sorted(found, key=lambda member: -member.macro_f1.value)


def _write(evaluation: Evaluation, plan: OutOfFold, verdict: Verdict, folder: Path) -> None:
    table = _out_of_fold_table(plan.photos, verdict)
    write_atomically(folder / "out_of_fold.parquet", table.to_parquet(index=False))
    text = json.dumps(_plain_numbers(evaluation), indent=1)
    write_atomically(folder / "scores.json", text.encode())
    overall = evaluation.scores.overall
    draw_evaluation(
        f"{evaluation.ensemble}, out of fold: macro F1 {overall.scores['macro_f1']} "
        f"over {overall.photos:,} photos of {overall.people:,} people",
        numbered(plan.photos["person"]),
        plan.photos["class18"].to_numpy(np.int64),
        verdict.classes,
        confidence_of(verdict),
        evaluation.scores,
        folder / "evaluation.png",
    )
    write_atomically(folder / "report.html", render_page(evaluation).encode())
