"""Scores, costs and speed of several ensembles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache import Cache
from faces.intervals import estimate, gain, pooled_f1
from faces.labels import FloatArray, IntArray, covers_classes
from infer.ensemble.tree import Ensemble, Leaf
from infer.ensemble.vote import count_votes
from infer.evaluate.panels import plan_of_ensemble, predict_out_of_fold
from infer.evaluate.scores import class_counts, numbered, senior_counts
from infer.evaluate.standings_table import Standing
from infer.predict.heads import Panels
from infer.predict.networks import NetworkGroup, load_network
from infer.predict.out_of_fold import ORIGINAL, OutOfFold
from infer.predict.views import count_of
from train.engine.compute import PredictCompute
from train.results.trained_folds import count_parameters


def compare_ensembles(
    ensembles: Sequence[Ensemble],
    cache: Cache,
    console: Console,
    *,
    runs: Path,
    photos: int,
    compute: PredictCompute,
) -> list[Standing]:
    """Score ensembles out of fold, the best first.

    Args:
        ensembles: the ensembles to compare.
        cache: the cache that all their recipes were trained on.
        console: where the progress is shown.
        runs: folder of all runs.
        photos: photos that are predicted to measure the speed; 0 measures none.
        compute: where to predict.

    Raises:
        ValueError: as `plan_of_ensemble`.
    """
    standings = []
    for ensemble in ensembles:
        console.print(f"{ensemble.name} ...", style="dim", highlight=False)
        plan = plan_of_ensemble(ensemble, runs, cache)
        panels = predict_out_of_fold(plan, ensemble.views, compute, console)
        rate = _measure_rate(ensemble, plan, photos, compute) if photos else float("nan")
        standings.append(_standing(ensemble, plan, panels, rate))
    return sorted(standings, key=lambda standing: -standing.macro_f1.value)


def _standing(ensemble: Ensemble, plan: OutOfFold, panels: Panels, rate: float) -> Standing:
    person, truth = numbered(plan.photos["person"]), plan.photos["class18"].to_numpy(np.int64)
    guess = count_votes(ensemble.root, panels).classes
    mine = class_counts(person, truth, guess)
    alone = _alone(plan, panels, person, truth)
    best = max(alone, key=lambda name: pooled_f1([alone[name]]), default="")
    over_original = None
    if ensemble.views != ORIGINAL:
        guessed = count_votes(ensemble.root, plan.stored()).classes
        over_original = gain([mine], [class_counts(person, truth, guessed)])
    every = [run for folds in plan.runs.values() for run in folds]
    return Standing(
        name=ensemble.name,
        macro_f1=estimate([mine]),
        senior_f1=estimate([senior_counts(person, truth, guess)["f1"]]),
        best=best,
        over_best=gain([mine], [alone[best]]) if best else None,
        over_original=over_original,
        networks=len(every),
        images=count_of(ensemble.views),
        parameters=sum(count_parameters(run.path) or 0 for run in every),
        rate=rate,
    )


def _alone(plan: OutOfFold, panels: Panels, person: IntArray, truth: IntArray) -> dict[str, FloatArray]:
    """Counts of each recipe that tells the 18 classes, where there are several recipes."""
    return {
        name: class_counts(person, truth, count_votes(Leaf(name), panels).classes)
        for name, runs in plan.runs.items()
        if len(plan.runs) > 1 and covers_classes(runs[0].card.recipe.tasks)
    }


def _measure_rate(ensemble: Ensemble, plan: OutOfFold, photos: int, compute: PredictCompute) -> float:
    """Photos/s that all networks of an ensemble answer together in all its views, loaded and warm.

    Args:
        ensemble: the ensemble, whose views the networks see.
        plan: its runs and their cache.
        photos: how many are predicted, fewer where the cache holds fewer.
        compute: where to predict.
    """
    device = compute.chosen_device()
    rows = np.arange(min(photos, len(plan.cache)))
    networks = [load_network(run.path, device) for folds in plan.runs.values() for run in folds]
    warm, whole = (
        NetworkGroup(networks, plan.cache, part, ensemble.views, compute)
        for part in (rows[: compute.batch_size], rows)
    )
    warm.predict(lambda _: None)
    start = time.perf_counter()
    whole.predict(lambda _: None)
    return len(rows) / (time.perf_counter() - start)
