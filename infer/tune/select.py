"""`python -m infer.tune.select`: an ensemble from a folder of runs by greedy selection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from faces.cache.reader import Cache
from faces.command import run_command
from infer.tune.choices import Criterion
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class SelectSettings:
    """Choose recipes for a soft vote by greedy selection with replacement (Caruana et al., 2004).

    The library is every recipe in a folder of runs that was trained on this cache, left people out and tells
    the task voted on: the one that tells most factors of those that the recipes tell, or the one you name.
    The vote starts with the recipes that score best together in the order of their own scores, and grows by
    the one that helps most; how often a recipe was taken is its weight. The honest score is by nested folds:
    photos of each fold are answered by what was selected without them.

    Writes the ensemble and, beside it, a picture of score against size.

    Example: make select CACHE=caches/mine RUNS=runs
    """

    cache: Path
    """The cache that all recipes were trained on."""
    runs: Path = Path("runs")
    """Folder of the library's runs."""
    task: str = ""
    """The task voted on; left out, what tells most factors of what any recipe tells."""
    by: Criterion = "macro_f1"
    """What is improved; the other decides between equals. log_loss overfits less where people are few."""
    size: int = 30
    """Votes of the largest ensemble tried; the best size up to it is kept."""
    views: tuple[str, ...] = ("original",)
    """Views over which probabilities are averaged; the original alone is known from training."""
    out: Path = Path("predictions/selected/selected.toml")
    """Ensemble file to write."""
    compute: tyro.conf.OmitArgPrefixes[PredictCompute] = PredictCompute()
    """Where to predict."""

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size={self.size}: at least 1 vote is needed")


def run(settings: SelectSettings) -> None:
    """Select, score, draw and write."""
    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.tune.select_work import select_ensemble

    select_ensemble(
        cache,
        runs=settings.runs,
        task=settings.task,
        by=settings.by,
        size=settings.size,
        views=settings.views,
        out=settings.out,
        compute=settings.compute,
    )


def main() -> None:
    """`python -m infer.tune.select`."""
    run_command(SelectSettings, run)


if __name__ == "__main__":
    main()
