"""What is told before anything is trained: a fold's rows, and whether the recipe can be trained on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.loader import check_batch
from train.assemble import FoldPlan
from train.data.rows import FoldRows, fold_rows
from train.data.sampler import fold_sampler
from train.data.teacher import with_taught
from train.network.lone import check_lone
from train.network.targets import check_numbers
from train.recipe.recipe import Recipe
from train.run_folder import as_begun, check_folder


@dataclass(frozen=True, kw_only=True)
class ReadyFold:
    """A fold that data, recipe and folder allow to train."""

    plan: FoldPlan
    rows: FoldRows
    notes: tuple[str, ...] = ()
    """Lines on what a teacher teaches, and on what the folder was begun with."""


def ready_folds(plans: Sequence[FoldPlan]) -> list[ReadyFold]:
    """All folds of a training, looked at before the first of them is trained.

    Raises:
        ValueError: as `ready_fold`, of any of them.
    """
    return [ready_fold(plan) for plan in plans]


def ready_fold(plan: FoldPlan) -> ReadyFold:
    """The plan's rows, or those that scheme, recipe and teacher choose, once nothing speaks against training.

    Nothing is written, and no network is built.

    Raises:
        ValueError: folds, sampler, batch size, teacher or numbers that these rows do not allow, batches that
            the backbone cannot be trained on, or a folder that holds something else or nothing to resume.
    """
    plan, begun = as_begun(plan)
    recipe, processes = plan.recipe, plan.processes
    if recipe.optimiser.frozen_epochs < recipe.epochs:
        check_lone(recipe.backbone, recipe.image_size, recipe.batch_size, processes.world)
    rows, notes = _planned_rows(plan)
    told = [*notes]
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
