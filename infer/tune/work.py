"""From an ensemble and its answers out of fold to a tuned one, with its honest score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache import Cache
from faces.labels import TASKS, IntArray
from faces.terminal import step_progress
from infer.ensemble.file import write_ensemble
from infer.ensemble.tree import Ensemble
from infer.ensemble.vote import count_votes
from infer.evaluate.panels import plan_of_ensemble, predict_out_of_fold
from infer.evaluate.scores import numbered
from infer.predict.out_of_fold import OutOfFold
from infer.tune.choices import Fitted
from infer.tune.fit import check_fittable
from infer.tune.nested import Tuned, tune
from infer.tune.picture import PictureData, draw_tuning
from infer.tune.table import Outcome, outcomes, print_outcomes, print_values
from train.engine.compute import PredictCompute


def tune_ensemble(
    ensemble: Ensemble,
    cache: Cache,
    fitted: Sequence[Fitted],
    *,
    runs: Path,
    out: Path,
    compute: PredictCompute,
) -> None:
    """Fit by nested folds, print, draw and write.

    Args:
        ensemble: the ensemble whose values are fitted.
        cache: the cache that all its recipes were trained on.
        fitted: which values are fitted.
        runs: folder of all runs.
        out: the tuned ensemble's file; the picture goes beside it.
        compute: where to predict what training has not stored.

    Raises:
        ValueError: nothing of the ensemble can be fitted, or as `plan_of_ensemble`.
    """
    console = Console()
    check_fittable(ensemble.root, fitted)
    plan = plan_of_ensemble(ensemble, runs, cache)
    panels = predict_out_of_fold(plan, ensemble.views, compute, console)
    truths, person = _truths(plan), numbered(plan.photos["person"])
    fold = plan.photos["fold"].to_numpy(np.int64)
    untuned = count_votes(ensemble.root, panels)
    with step_progress("fits", console=console, transient=True) as progress:
        bar = progress.add_task("fitting", total=plan.fold_count + 1)
        tuned = tune(ensemble.root, panels, truths, fold, fitted, lambda: progress.advance(bar))
        progress.update(bar, description="drawing people")
        found = outcomes(person, truths["class18"], untuned, tuned)
        picture = out.with_suffix(".png")
        data = PictureData(
            root=ensemble.root, tuned=tuned, untuned=untuned, panels=panels, truths=truths, person=person
        )
        draw_tuning(data, _title(ensemble, plan, found), picture)
    write_ensemble(_tuned_ensemble(ensemble, plan, tuned, found, out.stem), out)
    print_values(ensemble.root, tuned, console)
    print_outcomes(found, console)
    console.print(f"written: {out}, picture: {picture}", highlight=False, soft_wrap=True)


def _truths(plan: OutOfFold) -> Mapping[str, IntArray]:
    """[n] classes of the photos by task, `UNKNOWN` where they are not the task's."""
    known = plan.photos
    return {name: task.encode(known["mask"], known["gender"], known["age"]) for name, task in TASKS.items()}


def _title(ensemble: Ensemble, plan: OutOfFold, found: Mapping[str, Outcome]) -> str:
    untuned, nested, apparent = found.values()
    people = plan.photos["person"].nunique()
    return (
        f"{ensemble.name} tuned out of fold, {len(plan.photos):,} photos of {people:,} people, "
        f"{plan.fold_count} folds, views {' + '.join(ensemble.views)}\n"
        f"macro F1: untuned {untuned.macro_f1}, nested {nested.macro_f1}, "
        f"apparent {apparent.macro_f1.value:.3f}"
    )


def _tuned_ensemble(
    ensemble: Ensemble, plan: OutOfFold, tuned: Tuned, found: Mapping[str, Outcome], name: str
) -> Ensemble:
    untuned, nested, _ = found.values()
    about = (
        f"{ensemble.name} tuned on {plan.cache.folder.name} ({plan.cache.identity[:12]}), {plan.fold_count} "
        f"folds: macro F1 {nested.macro_f1} by nested folds, {untuned.macro_f1} untuned, log-loss "
        f"{nested.log_loss:.3f} and {untuned.log_loss:.3f}"
    )
    return dataclasses.replace(ensemble, name=name, about=about, root=tuned.whole)
