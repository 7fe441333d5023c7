"""From an ensemble and its answers out of fold to a tuned one, with its honest score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache.reader import Cache
from faces.files import check_writable
from faces.terminal.progress import step_progress
from infer.ensemble.file import write_ensemble
from infer.ensemble.tree import Ensemble
from infer.evaluate.panels import Scored, plan_of_ensemble, predict_out_of_fold
from infer.predict.half_done import say_half_done
from infer.predict.others import check_fitted, fitted_on
from infer.tune.answered import Answered
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
        ValueError: nothing of the ensemble can be fitted, `out` was fitted on another cache, or as
            `plan_of_ensemble`.
        OSError: not writable.
    """
    console = Console(markup=False)
    check_fittable(ensemble.root, fitted)
    scored = plan_of_ensemble(ensemble, runs, cache)
    check_fitted(out, cache)
    plan, task = scored.plan, scored.task
    say_half_done(plan.every_run, console, cache)
    check_writable(out.parent)
    panels = predict_out_of_fold(plan, ensemble.views, compute, console)
    given = Answered(panels=panels, truth=plan.truth, labels=scored.labels, space=task.name)
    fold = plan.photos["fold"].to_numpy(np.int64)
    untuned = scored.vote(ensemble.root, panels)
    with step_progress("fits", console=console, transient=True) as progress:
        bar = progress.add_task("fitting", total=plan.fold_count + 1)
        tuned = tune(ensemble.root, given, fold, fitted, lambda: progress.advance(bar))
        progress.update(bar, description="drawing people")
        found = outcomes(scored, untuned, tuned)
        picture = out.with_suffix(".png")
        data = PictureData(root=ensemble.root, tuned=tuned, untuned=untuned, given=given, scored=scored)
        draw_tuning(data, _title(ensemble, scored, found), picture)
    write_ensemble(_tuned_ensemble(ensemble, scored, tuned, found, out.stem), out)
    print_values(ensemble.root, tuned, given, console)
    print_outcomes(found, console)
    if scored.note:
        console.print(scored.note, highlight=False, soft_wrap=True, style="dim")
    console.print(f"written: {out}, picture: {picture}", highlight=False, soft_wrap=True)


def _title(ensemble: Ensemble, scored: Scored, found: Mapping[str, Outcome]) -> str:
    untuned, nested, apparent = found.values()
    people = int(scored.person.max()) + 1
    return (
        f"{ensemble.name} tuned out of fold, {len(scored.truth):,} photos of {people:,} people, "
        f"{scored.plan.fold_count} folds, views {' + '.join(ensemble.views)}\n"
        f"macro F1{scored.of_task}: untuned {untuned.macro_f1}, nested {nested.macro_f1}, "
        f"apparent {apparent.macro_f1.value:.3f}"
    )


def _tuned_ensemble(
    ensemble: Ensemble, scored: Scored, tuned: Tuned, found: Mapping[str, Outcome], name: str
) -> Ensemble:
    untuned, nested, _ = found.values()
    cache = scored.plan.cache
    about = (
        f"{ensemble.name} tuned on {fitted_on(cache)}, {scored.plan.fold_count} "
        f"folds: macro F1{scored.of_task} {nested.macro_f1} by nested folds, {untuned.macro_f1} untuned, "
        f"log-loss {nested.log_loss:.3f} and {untuned.log_loss:.3f}"
    )
    return scored.named(dataclasses.replace(ensemble, name=name, about=about, root=tuned.whole))
