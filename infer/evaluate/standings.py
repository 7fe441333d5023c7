"""`python -m infer.evaluate.standings`: ensembles side by side, by score out of fold, cost and weight."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faces.cache import Cache
from faces.command import run_command
from infer.ensemble.file import read_ensemble


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Compare ensembles that were trained on the same folds of one cache.

    For each: macro F1 out of fold with its interval over people, the gain over its best member that tells
    all 18 classes and over the original photo alone, F1 of people of 60 and older, how many networks answer
    a new photo and how many images each sees of it, their parameters, and photos/s of all of them together.
    """

    ensembles: tuple[Path, ...] = ()
    """Ensemble files; left out, all of `ensembles/` whose members are trained in `runs`."""
    cache: Path
    """The cache that the runs were trained on."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    photos: int = 256
    """Photos that are predicted to measure the speed; 0 measures none."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to predict; auto takes the GPU where there is one."""
    threads: int = 0
    """Loader threads; 0 is 1 on a CPU, which the network needs more, and up to 8 beside a GPU."""
    batch_size: int = 64
    """Photos a batch."""
    out: Path = Path("bench/results/ensembles.png")
    """Picture to write."""
    markdown: Path | None = None
    """Document in which the table takes the place between `<!-- compare:BLOCK -->` and `<!-- /compare:BLOCK
    -->`."""
    block: str = "ensembles"
    """Name of that place."""

    def __post_init__(self) -> None:
        if self.photos < 0:
            raise ValueError(f"photos={self.photos}: must be 0 (no speed) or more")


def run(settings: Settings) -> None:
    """Score all, print, draw and write."""
    ensembles = [
        read_ensemble(path) for path in settings.ensembles or sorted(Path("ensembles").glob("*.toml"))
    ]
    cache = Cache.open(settings.cache)
    from infer.evaluate.standings_work import compare

    compare(settings, ensembles, cache)


def main() -> None:
    """The command line."""
    run_command(Settings, run)


if __name__ == "__main__":
    main()
