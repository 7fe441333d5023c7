"""From trained runs and a cache to written answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache import Cache, file_sha256
from faces.labels import FloatArray
from faces.terminal import photo_progress
from infer.answers.photo_sheet import draw_photo_sheet
from infer.answers.shares import shares_table
from infer.answers.submission import PRIOR, answer_table, networks_table, read_kept_answers, write_answers
from infer.answers.submission_checks import check_submission
from infer.ensemble.file import ensemble_table
from infer.ensemble.tree import Ensemble, check_tasks, recipes_of
from infer.ensemble.vote import count_votes
from infer.predict.heads import Panels
from infer.predict.runs import Run, check_crops, find_runs
from infer.predict.store import load_or_predict
from train.engine.compute import PredictCompute


def answer_cache(
    ensemble: Ensemble,
    cache: Cache,
    *,
    info: Path | None,
    runs: Path,
    predictions: Path,
    compute: PredictCompute,
) -> None:
    """Predict with every run, vote, write, and print what came out; answers already there are kept.

    Args:
        ensemble: who votes.
        cache: the photos to answer.
        info: the info.csv whose photos and order the written answers must have; None checks nothing.
        runs: folder of all runs.
        predictions: folder of all predictions; files go to `<ensemble>` in it.
        compute: where to predict.

    Raises:
        ValueError: a recipe without a trained fold or in a place of the tree that its heads cannot answer,
            photos cropped differently from those of training, or answers that do not fit `info`.
    """
    console = Console()
    members = find_runs(recipes_of(ensemble.root), runs)
    check_tasks(ensemble.root, {name: folds[0].card.recipe.tasks for name, folds in members.items()})
    every = [run for folds in members.values() for run in folds]
    check_crops(every, cache.description["settings"], cache.folder)
    prior = np.mean([run.card.prior for run in every], axis=0)
    folder = predictions / ensemble.name
    table = _kept_or_new(ensemble, members, cache, prior, folder, compute, console)
    if info:
        check_submission(folder / "submission.csv", info)
    console.print(shares_table(table, prior))
    _warn_of_guesses(table, cache, console)
    voters = (
        f"{len(every)} runs of {len(members)} recipe{'s' * (len(members) > 1)}, "
        f"views {' + '.join(ensemble.views)}"
    )
    lines = (
        f"{len(table):,} answers ({voters}): {folder / 'submission.csv'}\npicture: {folder / 'gallery.png'}"
    )
    console.print(lines, highlight=False, soft_wrap=True)


def _kept_or_new(
    ensemble: Ensemble,
    members: Mapping[str, Sequence[Run]],
    cache: Cache,
    prior: FloatArray,
    folder: Path,
    compute: PredictCompute,
    console: Console,
) -> pd.DataFrame:
    """The `answer_table` in a folder, written anew unless it follows from the same runs and photos."""
    basis = {
        "ensemble": ensemble_table(ensemble),
        "cache": cache.identity,
        "runs": {run.name: file_sha256(run.path) for folds in members.values() for run in folds},
    }
    table = read_kept_answers(folder, basis)
    if table is not None:
        console.print(f"{folder}: nothing to do, these runs have answered these photos", soft_wrap=True)
        return table
    panels = _predict_panels(ensemble, members, cache, compute, console)
    table = answer_table(cache, count_votes(ensemble.root, panels), prior)
    draw_photo_sheet(cache, table, folder / "gallery.png")
    write_answers(table, networks_table(cache, panels), basis, folder)
    return table


def _predict_panels(
    ensemble: Ensemble,
    members: Mapping[str, Sequence[Run]],
    cache: Cache,
    compute: PredictCompute,
    console: Console,
) -> Panels:
    """The answers of every fold of every recipe to each row of the cache, with a progress bar.

    Args:
        ensemble: its name and its views.
        members: the runs of each of its recipes.
        cache: the photos to answer.
        compute: where to predict.
        console: where the bar is shown.
    """
    every = [run for folds in members.values() for run in folds]
    with photo_progress(console=console) as progress:
        bar = progress.add_task(ensemble.name, total=len(cache) * len(every))
        heads = load_or_predict(
            every,
            cache,
            np.arange(len(cache)),
            ensemble.views,
            compute,
            lambda done: progress.advance(bar, done),
        )
    by_run = dict(zip((run.name for run in every), heads, strict=True))
    return {recipe: [by_run[run.name] for run in folds] for recipe, folds in members.items()}


def _warn_of_guesses(table: pd.DataFrame, cache: Cache, console: Console) -> None:
    """Print which photos were answered without a crop, if any."""
    guessed = table.ImageID[table.answered_by == PRIOR]
    if len(guessed):
        console.print(
            f"warning: unreadable photos, answered with the commonest training class: {len(guessed)} "
            f"({', '.join(guessed.head(3))}{', ...' if len(guessed) > 3 else ''}); "
            f"reasons are in {cache.folder / 'rejects.csv'}",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )
