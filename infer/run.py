"""The command that turns runs and a cache of unseen photos into predictions."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.labels import AGE_BANDS, GENDERS, MASKS, FloatArray, split_classes
from faces.progress import photo_progress
from faces.settings import read_toml, run_command
from infer.ensemble import Ensemble, check_crops, find_runs
from infer.gallery import draw_gallery
from infer.predict import predict_run
from infer.submission import PRIOR, answer_table, write_answers
from infer.vote import take_vote
from train.run import choose_device


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Predict every photo of a cache with an ensemble of trained runs.

    Writes predictions/<ensemble>/submission.csv (ImageID and class 0-17, in the order of the source's
    info.csv), probabilities.parquet and gallery.png. Every photo gets an answer: one without a detected
    face from its fallback crop, one that could not be read from the shares of the training classes, with a
    warning.
    """

    ensemble: Path
    """Ensemble file (TOML)."""
    cache: Path
    """Finished cache of the photos to predict, cropped with the settings of training."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    predictions: Path = Path("predictions")
    """Folder of all predictions."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to predict; auto takes the GPU where there is one."""
    threads: int = 0
    """Loader threads; 0 is 1 on a CPU, which the network needs more, and up to 8 beside a GPU."""
    batch_size: int = 64
    """Photos a batch; changes speed and memory, not answers."""


def run(settings: Settings) -> None:
    """Predict with every run, vote, write, and show what came out."""
    console = Console()
    ensemble = read_toml(Ensemble, settings.ensemble)
    runs = find_runs(ensemble, settings.runs)
    cache = Cache.open(settings.cache)
    check_crops(runs, cache.description["settings"], settings.cache)
    device = choose_device(settings.device)
    threads = settings.threads or (1 if device == "cpu" else min(8, os.cpu_count() or 1))
    members = []
    with photo_progress(console=console) as progress:
        bar = progress.add_task("", total=len(cache) * len(runs))
        for member in runs:
            progress.update(bar, description=member.name)
            members.append(
                predict_run(
                    member,
                    cache,
                    ensemble.views,
                    device=device,
                    threads=threads,
                    batch_size=settings.batch_size,
                    advance=lambda done: progress.advance(bar, done),
                )
            )
    verdict = take_vote(np.stack(members), ensemble.vote)
    prior = np.mean([member.card.prior for member in runs], axis=0)
    table = answer_table(cache, verdict, prior)
    folder = settings.predictions / settings.ensemble.stem
    write_answers(table, folder)
    picture = draw_gallery(cache, table, folder / "gallery.png")
    console.print(shares_table(table, prior))
    warn_of_guesses(table, cache, console)
    voters = f"{len(runs)} runs, {ensemble.vote} vote, views {' + '.join(ensemble.views)}"
    console.print(f"{len(table):,} answers ({voters}): {folder / 'submission.csv'}", highlight=False)
    console.print(f"picture: {picture}", highlight=False)


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
            f"warning: {len(guessed)} photos could not be read and got the commonest training class: "
            f"{', '.join(guessed.head(3))}{', ...' if len(guessed) > 3 else ''}; "
            f"reasons are in {cache.folder / 'rejects.csv'}",
            style="yellow",
            highlight=False,
        )


def main() -> None:
    """`python -m infer`."""
    run_command(Settings, run)
