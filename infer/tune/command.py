"""The command that fits an ensemble's weights, threshold and temperature, and says what that is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faces.cache import Cache
from faces.command import run_command
from infer.ensemble.file import read_ensemble


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Fit values of an ensemble on out-of-fold answers, and score the fitting by nested folds.

    Weights of the vote at the root (or at a composition's parts, or below an override) come from greedy
    selection with replacement by log-loss, its temperature from least log-loss, an override's threshold from
    the largest macro F1. The honest score is nested: photos of each fold are answered by values fitted
    without them. What is written is fitted on all photos; its own score on them is too good, and both are
    shown. Draws tune.png beside the written file.
    """

    ensemble: Path
    """Ensemble file (TOML)."""
    cache: Path
    """The cache that all its recipes were trained on."""
    fit: tuple[Literal["weights", "threshold", "temperature"], ...] = ("weights", "threshold", "temperature")
    """What is fitted; the rest stays as it is."""
    out: Path | None = None
    """The tuned ensemble; predictions/<ensemble>/tuned.toml when left out."""
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

    def __post_init__(self) -> None:
        if not self.fit or len(set(self.fit)) < len(self.fit):
            raise ValueError(f"fit={list(self.fit)}: name at least one of what can be fitted, each once")


def run(settings: Settings) -> None:
    """Fit, score, draw and write."""
    ensemble = read_ensemble(settings.ensemble)
    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.tune.work import tune_ensemble

    tune_ensemble(settings, ensemble, cache)


def main() -> None:
    """The command line."""
    run_command(Settings, run)
