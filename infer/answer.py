"""From trained runs and a cache to written answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache import Cache, file_sha256
from faces.terminal import photo_progress
from infer.answers.check import check_submission
from infer.answers.gallery import draw_gallery
from infer.answers.shares import shares_table
from infer.answers.submission import PRIOR, answer_table, networks_table, read_answers, write_answers
from infer.ensemble.file import ensemble_table
from infer.ensemble.tree import Ensemble, check_tasks, recipes_of
from infer.ensemble.vote import Panels, count_votes
from infer.predict.kept import member_heads
from infer.predict.runs import Run, check_crops, find_runs
from train.engine.precision import choose_device, loader_threads

if TYPE_CHECKING:
    from infer.run import Settings


def answer(settings: Settings, ensemble: Ensemble, cache: Cache) -> None:
    """Predict with every run, vote, write, and show what came out; answers already there are kept."""
    console = Console()
    runs = find_runs(recipes_of(ensemble.root), settings.runs)
    check_tasks(ensemble.root, {name: folds[0].card.recipe.tasks for name, folds in runs.items()})
    every = [run for folds in runs.values() for run in folds]
    check_crops(every, cache.description["settings"], settings.cache)
    folder = settings.predictions / ensemble.name
    prior = np.mean([run.card.prior for run in every], axis=0)
    basis = {
        "ensemble": ensemble_table(ensemble),
        "cache": cache.identity,
        "runs": {run.name: file_sha256(run.path) for run in every},
    }
    table = read_answers(folder, basis)
    if table is None:
        panels = predict_panels(settings, ensemble, runs, cache, console)
        table = answer_table(cache, count_votes(ensemble.root, panels), prior)
        draw_gallery(cache, table, folder / "gallery.png")
        write_answers(table, networks_table(cache, panels), basis, folder)
    else:
        console.print(f"{folder}: nothing to do, these runs have answered these photos", soft_wrap=True)
    if settings.info:
        check_submission(folder / "submission.csv", settings.info)
    console.print(shares_table(table, prior))
    warn_of_guesses(table, cache, console)
    voters = (
        f"{len(every)} runs of {len(runs)} recipe{'s' * (len(runs) > 1)}, views {' + '.join(ensemble.views)}"
    )
    lines = (
        f"{len(table):,} answers ({voters}): {folder / 'submission.csv'}\npicture: {folder / 'gallery.png'}"
    )
    console.print(lines, highlight=False, soft_wrap=True)


def predict_panels(
    settings: Settings,
    ensemble: Ensemble,
    runs: Mapping[str, Sequence[Run]],
    cache: Cache,
    console: Console,
) -> Panels:
    """What every fold of every recipe says of each row of the cache, with a progress bar."""
    device = choose_device(settings.device)
    every = [run for folds in runs.values() for run in folds]
    with photo_progress(console=console) as progress:
        bar = progress.add_task(ensemble.name, total=len(cache) * len(every))
        heads = member_heads(
            every,
            cache,
            np.arange(len(cache)),
            ensemble.views,
            device=device,
            threads=settings.threads or loader_threads(device),
            batch_size=settings.batch_size,
            advance=lambda done: progress.advance(bar, done),
        )
    by_run = {run.name: said for run, said in zip(every, heads, strict=True)}
    return {recipe: [by_run[run.name] for run in folds] for recipe, folds in runs.items()}


def warn_of_guesses(table: pd.DataFrame, cache: Cache, console: Console) -> None:
    """Say which photos were answered without having been seen."""
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
