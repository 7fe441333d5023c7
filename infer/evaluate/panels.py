"""An ensemble's answers out of fold: its runs and photos found and checked, then predicted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from faces.cache import Cache
from faces.terminal import photo_progress
from infer.ensemble.tree import Ensemble, check_tasks, recipes_of
from infer.predict.heads import Panels
from infer.predict.out_of_fold import OutOfFold, plan_out_of_fold
from train.engine.compute import PredictCompute


def plan_of_ensemble(ensemble: Ensemble, runs: Path, cache: Cache) -> OutOfFold:
    """The runs and photos of an ensemble, checked before any network is loaded.

    Raises:
        ValueError: as `plan_out_of_fold`, or a recipe in a place of the tree that its heads cannot answer.
    """
    plan = plan_out_of_fold(recipes_of(ensemble.root), runs, cache)
    check_tasks(ensemble.root, {name: mine[0].card.recipe.tasks for name, mine in plan.runs.items()})
    return plan


def predict_out_of_fold(
    plan: OutOfFold, views: Sequence[str], compute: PredictCompute, console: Console
) -> Panels:
    """Each recipe's answers to all photos of a plan, with a progress bar.

    Args:
        plan: photos and runs.
        views: views over which probabilities are averaged.
        compute: where to predict what training has not stored.
        console: where the bar is shown.
    """
    with photo_progress(console=console) as progress:
        bar = progress.add_task("out of fold", total=plan.photo_count)
        return plan.answered(tuple(views), compute, lambda done: progress.advance(bar, done))
