"""`python -m infer.evaluate`: an ensemble scored on people whom its models have not seen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from faces.command import run_command, typed
from infer.ensemble.file import read_ensemble
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Score an ensemble out of fold: every labelled photo of a cache by the runs that never saw its person.

    Out of fold one model of each recipe answers a photo, where on new photos all folds of it vote: scores of
    new photos are rather better. Runs of recipes with keep = "best" keep the epoch picked by the photos they
    are scored on here, which flatters them. It is scored in the task that it votes on, on the photos that are
    labelled for it.

    Writes predictions/<ensemble>/out_of_fold/: scores.json, out_of_fold.parquet (a row a photo, with the
    probabilities of the classes) and evaluation.png. `make report` shows the same and the photos, as a page.

    Example: make evaluate ENSEMBLE=ensembles/quick.toml CACHE=caches/mine
    """

    ensemble: Path
    """Ensemble file (TOML)."""
    cache: Path
    """The cache that all its recipes were trained on."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    predictions: Path = Path("predictions")
    """Folder of all predictions."""
    compute: tyro.conf.OmitArgPrefixes[PredictCompute] = PredictCompute()
    """Where to predict."""


def run(settings: EvaluateSettings) -> None:
    """Predict what is not yet predicted, score, draw and write."""
    ensemble = read_ensemble(settings.ensemble)
    # pandas takes half a second to import, which --help should not wait for.
    from faces.cache.reader import Cache

    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.evaluate.work import evaluate

    evaluate(ensemble, cache, runs=settings.runs, predictions=settings.predictions, compute=settings.compute)
    chosen = f"ENSEMBLE={typed(settings.ensemble)} CACHE={typed(settings.cache)} RUNS={typed(settings.runs)}"
    if settings.predictions != EvaluateSettings.predictions:
        chosen += f" PREDICTIONS={typed(settings.predictions)}"
    print(f"next: make report {chosen}  # the same and the photos, as a page")


def main() -> None:
    """`python -m infer.evaluate`."""
    run_command(EvaluateSettings, run)
