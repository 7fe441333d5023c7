"""The command that turns runs and a cache of unseen photos into predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faces.cache import Cache
from faces.command import run_command
from infer.answers.check import check_photos
from infer.ensemble.file import read_ensemble


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
    info: Path | None = None
    """The info.csv that asks: its photos and their order are checked before and after predicting."""
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
    ensemble = read_ensemble(settings.ensemble)
    cache = Cache.open(settings.cache)
    if settings.info:
        check_photos(cache, settings.info)
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from infer.answer import answer

    answer(settings, ensemble, cache)


def main() -> None:
    """`python -m infer`."""
    run_command(Settings, run)
