"""What is told before anything is trained: a fold's rows, and whether the recipe can be trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich.console import Console

from pipeline.loader import check_batch
from train.assemble import FoldPlan
from train.data.clipped import with_end
from train.data.rows import FoldRows, fold_rows
from train.data.sampler import fold_sampler
from train.data.teacher import with_taught
from train.descent.first_layers import check_first
from train.network.lone import check_lone
from train.network.targets import check_numbers
from train.recipe.recipe import Recipe
from train.run_folder import as_begun, check_folder
from train.weights.kept import check_backbone, is_made
from train.weights.known import KNOWN, Known


@dataclass(frozen=True, kw_only=True)
class ReadyFold:
    """A fold that data, recipe and folder allow to train."""

    plan: FoldPlan
    rows: FoldRows
    notes: tuple[str, ...] = ()
    """Lines on what a teacher teaches, where numbers end, and what the folder was begun with."""


def ready_folds(plans: Sequence[FoldPlan]) -> list[ReadyFold]:
    """All folds of a training, looked at before the first of them is trained.

    Raises:
        ValueError: as `ready_fold`, of any of them.
    """
    ready = [_ready(plan) for plan in plans]
    for plan in plans[:1]:  # they differ in nothing but the fold
        _bring_weights(plan)
    return ready


def ready_fold(plan: FoldPlan) -> ReadyFold:
    """The plan's rows, or those that scheme, recipe and teacher choose, once nothing speaks against training.

    Weights that the recipe calls by a known name are fetched if they are not there. Nothing else is written,
    and no network is built.

    Raises:
        ValueError: folds, sampler, batch size, teacher or numbers that these rows do not allow, batches that
            the backbone cannot be trained on, weights that are not for it or cannot be fetched, or a folder
            that holds something else or nothing to resume.
    """
    ready = _ready(plan)
    _bring_weights(plan)
    return ready


def _bring_weights(plan: FoldPlan) -> None:
    """Fetch weights of a known name, once for all processes, or once a machine where each has a home of its
    own."""
    known, processes = KNOWN.get(plan.recipe.weights), plan.processes
    if known is None:
        return
    processes.raise_first(_not_brought(known) if processes.first else None)
    if not processes.first and not processes.local and (error := _not_brought(known)):
        raise error
    processes.wait()


def _not_brought(known: Known) -> Exception | None:
    """What hinders that known weights are here, if anything; they are fetched if need be."""
    try:
        if not is_made(known):
            from train.weights.bring import bring  # its libraries take seconds to import

            bring(known, Console(markup=False))
    except (ValueError, OSError) as error:
        return error
    return None


def _ready(plan: FoldPlan) -> ReadyFold:
    plan, begun = as_begun(plan)
    recipe, processes = plan.recipe, plan.processes
    check_backbone(recipe.weights, recipe.backbone)
    if recipe.optimiser.name == "lbfgs" and processes.world > 1:
        raise ValueError(
            "optimiser.name='lbfgs': one process fits the heads; train without several, which takes seconds"
        )
    if recipe.optimiser.frozen_epochs < recipe.epochs:
        check_lone(recipe.backbone, recipe.image_size, recipe.batch_size, processes.world)
    check_first(recipe.backbone, recipe.image_size, recipe.optimiser.frozen_layers)
    rows, notes = _planned_rows(plan)
    recipe, end = with_end(recipe, plan.cache, rows.training)
    plan = replace(plan, recipe=recipe)
    told = [*notes, *([end] if end else [])]
    sampler = fold_sampler(recipe, plan.cache, rows.training, told)
    check_batch(sampler, processes.share(recipe.batch_size), seed=plan.seed, world=processes.world)
    check_numbers(recipe, plan.cache, rows.training)
    check_folder(plan)
    return ReadyFold(plan=plan, rows=rows, notes=(*begun, *told))


def _planned_rows(plan: FoldPlan) -> tuple[FoldRows, tuple[str, ...]]:
    rows = plan.rows or fold_rows(
        plan.cache,
        plan.recipe.tasks,
        fold=plan.fold,
        folds=plan.folds,
        seed=plan.fold_seed,
        scheme=plan.scheme,
        rows=plan.recipe.rows,
        senior_from=plan.recipe.age.senior_from,
        also_out=plan.also_out,
    )
    _check_scores(plan.recipe, rows)
    if not plan.recipe.teacher.predictions:
        return rows, ()
    rows, note = with_taught(plan.recipe, plan.cache, rows)
    return rows, (note,)


def _check_scores(recipe: Recipe, rows: FoldRows) -> None:
    if not len(rows.validation) and (recipe.schedule.name == "plateau" or recipe.stop_after):
        raise ValueError(
            f"schedule.name={recipe.schedule.name!r}, stop_after={recipe.stop_after}: both wait for "
            "validation scores, and nobody validates; train on everything with another schedule and "
            "stop_after = 0"
        )
