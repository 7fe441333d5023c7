"""From an ensemble and its answers out of fold to a tuned one, with its honest score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from faces.cache.reader import Cache
from faces.files import check_writable
from faces.terminal.progress import step_progress
from infer.ensemble.file import write_ensemble
from infer.ensemble.tree import Ensemble
from infer.evaluate.panels import Scored, plan_of_ensemble, predict_out_of_fold
from infer.predict.half_done import say_half_done
from infer.predict.nested import NestedVotes, find_nested
from infer.predict.others import check_fitted, fitted_on
from infer.tune.answered import Answered
from infer.tune.choices import Fitted
from infer.tune.fit import check_fittable
from infer.tune.nested import Tuned, tune_judged
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
    say_half_done(scored.plan.every_run, console, cache)
    votes = find_nested(scored.plan, runs)
    if isinstance(votes, NestedVotes):
        say_half_done(votes.every_run, console, cache)
        scored = dataclasses.replace(scored, plan=votes.plan)
    check_writable(out.parent)
    asked = votes if isinstance(votes, NestedVotes) else scored.plan
    panels = predict_out_of_fold(asked, ensemble.views, compute, console, ensemble.views_rule)
    given = Answered(panels=panels, truth=scored.plan.truth, labels=scored.labels, space=scored.task.name)
    untuned, voters = scored.vote(ensemble.root, panels), _voters(votes)
    with step_progress("fits", console=console, transient=True) as progress:
        bar = progress.add_task("fitting", total=2 * (scored.plan.fold_count + 1))
        tuned, judged = tune_judged(ensemble.root, scored, given, fitted, lambda: progress.advance(bar))
        progress.update(bar, description="drawing people")
        found = outcomes(scored, untuned, tuned)
        picture = out.with_suffix(".png")
        data = PictureData(root=ensemble.root, tuned=tuned, untuned=untuned, given=given, scored=scored)
        draw_tuning(data, _title(ensemble, scored, found, voters), picture)
    write_ensemble(_tuned_ensemble(ensemble, scored, tuned, found, out.stem, voters), out)
    print_values(ensemble.root, tuned, given, console)
    print_outcomes(found, console)
    for note in filter(None, (judged, _said(votes), scored.note)):
        console.print(note, highlight=False, soft_wrap=True, style="dim")
    console.print(f"written: {out}, picture: {picture}", highlight=False, soft_wrap=True)


def _voters(votes: NestedVotes | str) -> str:
    """In words, what answered each photo."""
    single = "one network a photo and recipe"
    return single if isinstance(votes, str) else f"votes of {votes.voters} networks a photo and recipe"


def _said(votes: NestedVotes | str) -> str:
    """A line on what was fitted; where not votes, why that matters and what to do."""
    if isinstance(votes, NestedVotes):
        return f"fitted on {_voters(votes)}, none of which saw its person (nested trainings)"
    return (
        f"fitted on the answers of {_voters(votes)}: votes of several are less sure, so this "
        f"temperature leaves them too flat; to fit votes: {votes}"
    )


def _title(ensemble: Ensemble, scored: Scored, found: Mapping[str, Outcome], voters: str) -> str:
    untuned, nested, apparent = found.values()
    people = int(scored.person.max()) + 1
    return (
        f"{ensemble.name} tuned out of fold, {len(scored.truth):,} photos of {people:,} people, "
        f"{scored.plan.fold_count} folds, {voters}, views {ensemble.shown_views}\n"
        f"macro F1{scored.of_task}: untuned {untuned.macro_f1}, nested {nested.macro_f1}, "
        f"apparent {apparent.macro_f1.value:.3f}"
    )


def _tuned_ensemble(
    ensemble: Ensemble, scored: Scored, tuned: Tuned, found: Mapping[str, Outcome], name: str, voters: str
) -> Ensemble:
    untuned, nested, _ = found.values()
    cache = scored.plan.cache
    about = (
        f"{ensemble.name} tuned on {fitted_on(cache)}, {scored.plan.fold_count} folds, {voters}: "
        f"macro F1{scored.of_task} {nested.macro_f1} by nested folds, {untuned.macro_f1} untuned, "
        f"log-loss {nested.log_loss:.3f} and {untuned.log_loss:.3f}"
    )
    return scored.named(dataclasses.replace(ensemble, name=name, about=about, root=tuned.whole))
