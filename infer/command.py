"""`python -m infer`: predictions for a cache of unseen photos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from faces.command import run_command
from faces.terminal.output import print_notes
from infer.ensemble.file import read_ensemble
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class InferSettings:
    """Predict every photo of a cache with an ensemble of trained runs: what their photos were labelled with.

    Writes predictions/<ensemble>/answers.csv (the face's box and each factor in words with its probability, a
    row a photo in the order of the source), probabilities.parquet and gallery.png; where mask, gender and age
    of the contest are answered also submission.csv (ImageID and class 0-17). Every photo gets an answer: one
    without a detected face from its fallback crop, one that could not be read from the shares of the training
    classes, with a warning.

    Example: make infer ENSEMBLE=ensembles/quick.toml CACHE=caches/new
    """

    ensemble: Path
    """Ensemble file (TOML)."""
    cache: Path
    """Finished cache of the photos to predict, cropped with the settings of training."""
    info: Path | None = None
    """The contest's info.csv with the requested photos, which are checked before and after predicting."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    predictions: Path = Path("predictions")
    """Folder of all predictions."""
    compute: tyro.conf.OmitArgPrefixes[PredictCompute] = PredictCompute()
    """Where to predict."""


def run(settings: InferSettings) -> None:
    """Predict with every run, vote, write, and show what came out."""
    ensemble = read_ensemble(settings.ensemble)
    # pandas takes half a second to import, which --help should not wait for.
    from faces.cache.reader import Cache
    from infer.answers.submission_checks import check_photos

    cache = Cache.open(settings.cache)
    if settings.info:
        notes: list[str] = []
        check_photos(cache, settings.info, notes)
        print_notes(notes)
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from infer.work import answer_cache

    answer_cache(
        ensemble,
        cache,
        info=settings.info,
        runs=settings.runs,
        predictions=settings.predictions,
        compute=settings.compute,
    )


def main() -> None:
    """`python -m infer`."""
    run_command(InferSettings, run)
