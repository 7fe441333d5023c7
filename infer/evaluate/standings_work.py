"""Scores, costs and speed of several ensembles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache.reader import Cache
from faces.intervals import estimate, gain, pooled_f1
from infer.ensemble.tree import Ensemble, Leaf
from infer.evaluate.panels import Scored, plan_of_ensemble, predict_out_of_fold
from infer.evaluate.scores import band_counts, last_bands
from infer.evaluate.standings_table import Standing
from infer.predict.half_done import say_half_done
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
    """Score ensembles out of fold, each in the space that it votes on: spaces apart, the best of each first.

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
    planned = [plan_of_ensemble(ensemble, runs, cache) for ensemble in ensembles]
    say_half_done([run for scored in planned for run in scored.plan.every_run], console, cache)
    for ensemble, scored in zip(ensembles, planned, strict=True):
        console.print(f"{ensemble.name} ...", style="dim", highlight=False)
        if scored.note:
            console.print(f"{ensemble.name}: {scored.note}", style="dim", highlight=False, soft_wrap=True)
        panels = predict_out_of_fold(scored.plan, ensemble.views, compute, console, ensemble.views_rule)
        rate = _measure_rate(ensemble, scored.plan, photos, compute) if photos else float("nan")
        standings.append(_standing(ensemble, scored, panels, rate))
    # The labels' headline first; only ensembles of one space can be compared.
    return sorted(standings, key=lambda standing: (standing.space, -standing.macro_f1.value))


def _standing(ensemble: Ensemble, scored: Scored, panels: Panels, rate: float) -> Standing:
    guess = scored.answers(ensemble.root, panels)
    mine = scored.counts(guess)
    telling = scored.telling() if len(scored.plan.runs) > 1 else []
    alone = {name: scored.counts(scored.answers(Leaf(name), panels)) for name in telling}
    best = max(alone, key=lambda name: pooled_f1([alone[name]]), default="")
    over_original = None
    if ensemble.views != ORIGINAL:
        guessed = scored.answers(ensemble.root, scored.plan.stored())
        over_original = gain([mine], [scored.counts(guessed)])
    every = scored.plan.every_run
    person, truth, task = scored.person, scored.truth, scored.task
    return Standing(
        name=ensemble.name,
        space=task.name if scored.said else "",
        photos=len(truth),
        macro_f1=estimate([mine]),
        last_bands={
            band: estimate([band_counts(person, truth, guess, task, factor)["f1"]])
            for factor, band in last_bands(task).items()
        },
        best=best,
        over_best=gain([mine], [alone[best]]) if best else None,
        over_original=over_original,
        networks=len(every),
        images=count_of(ensemble.views),
        parameters=sum(count_parameters(run.path) or 0 for run in every),
        rate=rate,
    )


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
    networks = [load_network(run.path, device) for run in plan.every_run]
    warm, whole = (
        NetworkGroup(networks, plan.cache, part, ensemble.views, compute, ensemble.views_rule)
        for part in (rows[: compute.photos_a_batch()], rows)
    )
    warm.predict(lambda _: None)
    start = time.perf_counter()
    whole.predict(lambda _: None)
    return len(rows) / (time.perf_counter() - start)
