"""The command that builds an ensemble from a folder of runs by greedy selection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faces.cache import Cache
from faces.command import run_command


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Choose recipes for a soft vote by greedy selection with replacement (Caruana et al., 2004).

    The library is every recipe in a folder of runs that tells the 18 classes, left nobody out and was trained
    on this cache. The vote starts with the recipes that score best together in the order of their own scores,
    and grows by the one that helps most; how often a recipe was taken is its weight. The honest score is by
    nested folds: photos of each fold are answered by what was selected without them.

    Writes the ensemble and, beside it, a picture of score against size.
    """

    cache: Path
    """The cache that all recipes were trained on."""
    runs: Path = Path("runs")
    """Folder of the library's runs."""
    by: Literal["macro_f1", "log_loss"] = "macro_f1"
    """What is improved; the other decides between equals. log_loss overfits less where people are few."""
    size: int = 30
    """Votes of the largest ensemble tried; the best size up to it is kept."""
    views: tuple[str, ...] = ("original",)
    """Views over which probabilities are averaged; the original alone is known from training."""
    out: Path = Path("predictions/selected/selected.toml")
    """The ensemble."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to predict; auto takes the GPU where there is one."""
    threads: int = 0
    """Loader threads; 0 is 1 on a CPU, which the network needs more, and up to 8 beside a GPU."""
    batch_size: int = 64
    """Photos a batch; changes speed and memory, not answers."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size={self.size}: at least 1 vote is needed")


def run(settings: Settings) -> None:
    """Select, score, draw and write."""
    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.tune.select_work import select_ensemble

    select_ensemble(settings, cache)


if __name__ == "__main__":
    run_command(Settings, run)
