"""From trained runs and a cache to written answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from faces.files import check_writable, exclusive
from faces.labels import FloatArray
from faces.sample.note import drawn_note
from faces.terminal.progress import photo_progress
from infer.answers.photo_sheet import draw_photo_sheet
from infer.answers.prior import training_shares
from infer.answers.shares import shares_table
from infer.answers.submission import (
    PRIOR,
    WORDS,
    answer_table,
    is_submitted,
    networks_table,
    read_kept_answers,
    write_answers,
)
from infer.answers.submission_checks import SUBMISSION, check_submission
from infer.answers.words import words_table
from infer.answers.written import Basis, check_replaced
from infer.ensemble.file import ensemble_table
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, recipes_of
from infer.ensemble.vote import count_votes
from infer.predict.half_done import say_half_done
from infer.predict.heads import Panels
from infer.predict.runs import Run, check_crops, find_runs, labels_of_runs
from infer.predict.store import load_or_predict
from train.engine.compute import PredictCompute


def answer_cache(
    ensemble: Ensemble,
    cache: Cache,
    *,
    info: Path | None = None,
    runs: Path = Path("runs"),
    predictions: Path = Path("predictions"),
    compute: PredictCompute = PredictCompute(),
) -> pd.DataFrame:
    """Predict with every run, vote, write, and print what came out; answers already there are kept.

    What is answered are the factors that the runs were trained on, whatever the cache is labelled with.

    Args:
        ensemble: who votes.
        cache: the photos to answer.
        info: the info.csv whose photos and order the written answers must have, of the contest's 18 classes
            alone; None checks nothing.
        runs: folder of all runs.
        predictions: folder of all predictions; files go to `<ensemble>` in it.
        compute: where to predict.

    Returns:
        The `answer_table` that is written: a row a photo of the source, or a face, in its order, with columns
        ImageID, ans (int64 class of the task), answered_by, agreement (0 to 1) and a probability a class.

    Raises:
        ValueError: a recipe without a trained fold or in a place of the tree that its heads cannot answer,
            runs of different factors, photos cropped differently from those of training, answers that do not
            fit `info`, or a folder that holds the answers of another cache or is being written.
        OSError: the folder cannot be written.
    """
    console = Console(markup=False)
    members = find_runs(recipes_of(ensemble.root), runs)
    every = [run for folds in members.values() for run in folds]
    basis = _basis_of(ensemble, members, cache)
    task, folder = basis.task, predictions / ensemble.name
    if info and not is_submitted(task):
        raise ValueError(
            f"{info}: asks for the contest's classes of mask, gender and age, and ensemble {ensemble.name} "
            f"answers {task.name} ({', '.join(task.factors)}): leave INFO out; the answers are written to "
            f"{folder / WORDS}"
        )
    check_crops(every, cache.description["settings"], cache.folder)
    say_half_done(every, console)
    prior = training_shares([run.card.prior for run in every], task.name, basis.labels)
    with exclusive(folder, doing="answering into it", cure="give another folder (PREDICTIONS=)"):
        table = _kept_or_new(ensemble, members, cache, basis, prior, folder, compute, console)
        if info:
            check_submission(folder / SUBMISSION, info)
    console.print(shares_table(table, prior, task))
    _warn_of_guesses(table, cache, console)
    lines = _written_lines(ensemble, members, len(table), folder, submitted=is_submitted(task))
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    return table


def _written_lines(
    ensemble: Ensemble, members: Mapping[str, Sequence[Run]], answers: int, folder: Path, *, submitted: bool
) -> list[str]:
    """Who answered, and the files that were written."""
    every = [run for folds in members.values() for run in folds]
    voters = (
        f"{len(every)} run{'s' * (len(every) > 1)} of {len(members)} recipe{'s' * (len(members) > 1)}, "
        f"views {ensemble.shown_views}"
    )
    lines = [f"{answers:,} answers ({voters}): {folder / WORDS}"]
    lines += [f"submission: {folder / SUBMISSION}"] * submitted
    lines += [f"picture: {folder / 'gallery.png'}"]
    return lines + ([note] if (note := drawn_note(any(run.card.drawn for run in every))) else [])


def _basis_of(ensemble: Ensemble, members: Mapping[str, Sequence[Run]], cache: Cache) -> Basis:
    """What the runs of an ensemble answer together, and what their answers follow from."""
    every = [run for folds in members.values() for run in folds]
    labels = labels_of_runs(every)
    heads = {recipe: folds[0].card.recipe.tasks for recipe, folds in members.items()}
    return Basis(
        task=labels.task(space_of(ensemble, heads, labels)),
        labels=labels,
        follows={
            "ensemble": ensemble_table(ensemble),
            "cache": cache.identity,
            "runs": {run.name: file_sha256(run.path) for run in every},
        },
        folder=str(cache.folder),
    )


def _kept_or_new(
    ensemble: Ensemble,
    members: Mapping[str, Sequence[Run]],
    cache: Cache,
    basis: Basis,
    prior: FloatArray,
    folder: Path,
    compute: PredictCompute,
    console: Console,
) -> pd.DataFrame:
    """The `answer_table` in a folder, written anew unless it follows from the same runs and photos."""
    replaced = check_replaced(folder, basis, cache)
    table = None if replaced else read_kept_answers(folder, basis, lambda line: _warn(line, console))
    if table is not None:
        console.print(f"{folder}: nothing to do, these runs have answered these photos", soft_wrap=True)
        return table
    if replaced:
        console.print(f"{folder}: replacing {replaced}", highlight=False, soft_wrap=True)
    check_writable(folder)
    panels = _predict_panels(ensemble, members, cache, compute, console)
    task, labels = basis.task, basis.labels
    table = answer_table(cache, count_votes(ensemble.root, panels, task.name, labels), prior, task)
    draw_photo_sheet(cache, table, task, folder / "gallery.png")
    networks = networks_table(cache, panels, task.name, labels)
    write_answers(table, words_table(cache, table, task), networks, basis, folder)
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
            lambda line: _warn(line, console),
            ensemble.views_rule,
        )
    by_run = dict(zip((run.name for run in every), heads, strict=True))
    return {recipe: [by_run[run.name] for run in folds] for recipe, folds in members.items()}


def _warn(line: str, console: Console) -> None:
    console.print(line, style="yellow", highlight=False, soft_wrap=True)


def _warn_of_guesses(table: pd.DataFrame, cache: Cache, console: Console) -> None:
    """Print which photos were answered without a crop, if any."""
    guessed = table.ImageID[table.answered_by == PRIOR]
    if len(guessed):
        _warn(
            f"warning: unreadable photos, answered with the commonest training class: {len(guessed)} "
            f"({', '.join(guessed.head(3))}{', ...' if len(guessed) > 3 else ''}); "
            f"reasons are in {cache.folder / 'rejects.csv'}",
            console,
        )
