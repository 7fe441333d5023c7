"""`python -m infer.evaluate.standings`: ensembles side by side, by score out of fold, cost and weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from faces.cache.reader import Cache
from faces.command import run_command, typed
from faces.files import check_writable
from infer.ensemble.file import read_ensemble
from infer.ensemble.tree import Ensemble, recipes_of
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class StandingsSettings:
    """Compare ensembles that were trained on the same folds of one cache.

    For each: macro F1 out of fold with its interval over people, the gain over its best member that alone
    tells the task voted on and over the original photo alone, F1 of the last band of a number (people of 60
    and older, for example), how many networks answer a new photo and how many images each sees of it, their
    parameters, and photos/s of all of them together. Ensembles that vote on different tasks stand in tables
    of their own, as their scores cannot be compared.

    Example: make standings CACHE=caches/mine ENSEMBLES="ensembles/quick.toml ensembles/best.toml"
    """

    ensembles: tuple[Path, ...] = ()
    """Ensemble files; left out, all of `ensembles/` whose members are trained in `runs`."""
    cache: Path
    """The cache that the runs were trained on."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    photos: int = 256
    """Photos that are predicted to measure the speed; 0 measures none."""
    compute: tyro.conf.OmitArgPrefixes[PredictCompute] = PredictCompute()
    """Where to predict."""
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


def run(settings: StandingsSettings) -> None:
    """Score all, print, draw and write."""
    ensembles, untrained = _find_ensembles(settings.ensembles, settings.runs)
    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.evaluate.standings_picture import draw_standings
    from infer.evaluate.standings_table import markdown_table, print_standings
    from infer.evaluate.standings_work import compare_ensembles
    from train.results.compare_report import replace_block

    console = Console(markup=False)
    check_writable(settings.out.parent)
    standings = compare_ensembles(
        ensembles, cache, console, runs=settings.runs, photos=settings.photos, compute=settings.compute
    )
    print_standings(standings, cache.folder, console)
    if untrained:
        console.print(f"not trained in {settings.runs}: {', '.join(untrained)}", style="dim", soft_wrap=True)
    draw_standings(standings, settings.out)
    console.print(f"picture: {settings.out}", highlight=False, soft_wrap=True)
    if settings.markdown:
        replace_block(settings.markdown, settings.block, markdown_table(standings))


def _find_ensembles(files: Sequence[Path], runs: Path) -> tuple[list[Ensemble], list[str]]:
    """The ensembles to compare, and the names of those left out.

    Args:
        files: ensemble files; if there are none, all of `ensembles/` whose members have a trained fold.
        runs: folder of all runs.

    Raises:
        ValueError: a file that is no ensemble, or none of `ensembles/` is trained.
    """
    if files:
        return [read_ensemble(file) for file in files], []
    found = [read_ensemble(file) for file in sorted(Path("ensembles").glob("*.toml"))]
    trained = [ensemble for ensemble in found if _is_trained(ensemble, runs)]
    if not trained:
        raise ValueError(
            f"{runs}: holds all members of none of {len(found)} ensembles; `make ensembles RUNS="
            f"{typed(runs)}` shows what is missing"
        )
    return trained, [ensemble.name for ensemble in found if ensemble not in trained]


def _is_trained(ensemble: Ensemble, runs: Path) -> bool:
    return all(any((runs / name).glob("fold*/best.safetensors")) for name in recipes_of(ensemble.root))


def main() -> None:
    """`python -m infer.evaluate.standings`."""
    run_command(StandingsSettings, run)


if __name__ == "__main__":
    main()
