"""`python -m infer.tune`: an ensemble's weights, threshold and temperature, fitted and honestly scored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from faces.cache.reader import Cache
from faces.command import run_command
from infer.ensemble.file import read_ensemble
from infer.tune.choices import FITTED, Fitted
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """Fit values of an ensemble on out-of-fold answers, and score the fitting by nested folds.

    Weights of the vote at the root (or at a composition's parts, or below an override) come from greedy
    selection with replacement by log-loss, its temperature from least log-loss, an override's threshold from
    the largest macro F1, all in the task that is voted on. Adjusting counts values that few people are of, as
    60 and over, more often in the choice of a soft or log vote: labels only make the probabilities of each
    value right in the mean, and from these the macro F1 that is to be expected is made largest. It is kept
    where macro F1 by nested folds is larger with it.
    What is fitted are votes where each recipe has nested trainings (`make train-nested`), by which folds - 1
    networks answer each photo; else the answers of one network a photo, which are surer than votes.
    The honest score is nested: photos of each fold are answered by values fitted without them. What is
    written is fitted on all photos; its own score on them is too good, and both are shown. Draws a picture
    beside the written file.

    Example: make tune ENSEMBLE=ensembles/quick.toml CACHE=caches/mine
    """

    ensemble: Path
    """Ensemble file (TOML)."""
    cache: Path
    """The cache that all its recipes were trained on."""
    fit: tuple[Fitted, ...] = FITTED
    """What is fitted; the rest stays as it is."""
    out: Path | None = None
    """Ensemble file to write; predictions/<ensemble>/tuned.toml when left out."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    predictions: Path = Path("predictions")
    """Folder of all predictions."""
    compute: tyro.conf.OmitArgPrefixes[PredictCompute] = PredictCompute()
    """Where to predict."""

    def __post_init__(self) -> None:
        if not self.fit or len(set(self.fit)) < len(self.fit):
            raise ValueError(f"fit={list(self.fit)}: name at least one of what can be fitted, each once")


def run(settings: TuneSettings) -> None:
    """Fit, score, draw and write."""
    ensemble = read_ensemble(settings.ensemble)
    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.tune.work import tune_ensemble

    tune_ensemble(
        ensemble,
        cache,
        settings.fit,
        runs=settings.runs,
        out=settings.out or settings.predictions / ensemble.name / "tuned.toml",
        compute=settings.compute,
    )


def main() -> None:
    """`python -m infer.tune`."""
    run_command(TuneSettings, run)
