"""From trained runs and a cache to written answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from faces.cache import Cache, file_sha256
from faces.labels import AGE_BANDS, GENDERS, MASKS, FloatArray, split_classes
from faces.progress import photo_progress
from faces.settings import to_table
from infer.ensemble import Ensemble
from infer.gallery import draw_gallery
from infer.predict import predict_run
from infer.runs import Run, check_crops, find_runs
from infer.submission import PRIOR, answer_table, read_answers, write_answers
from infer.vote import take_vote
from train.precision import choose_device, loader_threads

if TYPE_CHECKING:
    from infer.run import Settings


def answer(settings: Settings, ensemble: Ensemble, cache: Cache) -> None:
    """Predict with every run, vote, write, and show what came out; answers already there are kept."""
    console = Console()
    runs = find_runs(ensemble, settings.runs)
    check_crops(runs, cache.description["settings"], settings.cache)
    folder = settings.predictions / settings.ensemble.stem
    prior = np.mean([run.card.prior for run in runs], axis=0)
    basis = {
        "ensemble": to_table(ensemble),
        "cache": cache.identity,
        "runs": {run.name: file_sha256(run.path) for run in runs},
    }
    table = read_answers(folder, basis)
    if table is None:
        verdict = take_vote(predict_runs(settings, ensemble, runs, cache, console), ensemble.vote)
        table = answer_table(cache, verdict, prior)
        draw_gallery(cache, table, folder / "gallery.png")
        write_answers(table, basis, folder)
    else:
        console.print(f"{folder}: nothing to do, these runs have answered these photos", soft_wrap=True)
    console.print(shares_table(table, prior))
    warn_of_guesses(table, cache, console)
    voters = f"{len(runs)} runs, {ensemble.vote} vote, views {' + '.join(ensemble.views)}"
    lines = (
        f"{len(table):,} answers ({voters}): {folder / 'submission.csv'}\npicture: {folder / 'gallery.png'}"
    )
    console.print(lines, highlight=False, soft_wrap=True)


def predict_runs(
    settings: Settings, ensemble: Ensemble, runs: Sequence[Run], cache: Cache, console: Console
) -> FloatArray:
    """[runs, rows of the cache, 18] probabilities, with a progress bar."""
    device = choose_device(settings.device)
    threads = settings.threads or loader_threads(device)
    members = []
    with photo_progress(console=console) as progress:
        bar = progress.add_task("", total=len(cache) * len(runs))
        for run in runs:
            progress.update(bar, description=run.name)
            members.append(
                predict_run(
                    run,
                    cache,
                    ensemble.views,
                    device=device,
                    threads=threads,
                    batch_size=settings.batch_size,
                    advance=lambda done: progress.advance(bar, done),
                )
            )
    return np.stack(members)


def shares_table(table: pd.DataFrame, prior: FloatArray) -> Table:
    """Predicted shares of mask, gender and age band beside those of the training photos."""
    shown = Table(title="shares of the answers", title_justify="left")
    for column in ("", "predicted", "training"):
        shown.add_column(column, justify="left" if not column else "right")
    answers, classes = split_classes(table["ans"]), split_classes(np.arange(len(prior)))
    for factor, names in {"mask": MASKS, "gender": GENDERS, "age": AGE_BANDS}.items():
        for code, name in enumerate(names):
            predicted, trained = (answers[factor] == code).mean(), prior[classes[factor] == code].sum()
            shown.add_row(f"{factor} {name}", f"{predicted:.1%}", f"{trained:.1%}")
    return shown


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
