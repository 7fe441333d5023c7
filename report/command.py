"""`python -m report`: a cache, a run or an ensemble on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from faces.command import run_command
from train.engine.compute import PredictCompute


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """Write one page on a cache, a run or an ensemble: report.html, a file that loads nothing from elsewhere.

    Of a cache: what stage 1 made of the photos, and how their people are dealt to folds. Of a run, all runs
    of a recipe or an ensemble, on people whom the networks had not seen: scores with intervals, confusions
    whose cells open their photos, curves, calibration, thresholds, galleries, where networks look, and a map
    of their features; beside the page errors.csv, a row for each photo that was answered wrongly.

    Example: make report RUN=runs/quick
    Example: make report ENSEMBLE=ensembles/quick.toml CACHE=caches/mine
    Example: make report CACHE=caches/mine
    """

    cache: Path | None = None
    """A finished cache: alone what the page is on, else the one that the runs were trained on. Of runs it may
    be left out where it lies in caches/, or in caches/ beside their folder."""
    run: Path | None = None
    """A trained fold, runs/x/fold0, or all of a recipe, runs/x."""
    ensemble: Path | None = None
    """Ensemble file (TOML)."""
    runs: Path = Path("runs")
    """Folder of all runs, of an ensemble."""
    predictions: Path = Path("predictions")
    """Folder of all predictions, where the page on an ensemble is written: <ensemble>/out_of_fold."""
    out: Path | None = None
    """The page to write; report.html beside what it is on when this is not given."""
    compute: tyro.conf.OmitArgPrefixes[PredictCompute] = PredictCompute()
    """Where to predict."""

    def __post_init__(self) -> None:
        if self.run and self.ensemble:
            raise ValueError(f"run={self.run} and ensemble={self.ensemble}: a page is on one; leave one out")
        if not (self.cache or self.run or self.ensemble):
            raise ValueError("cache, run, ensemble: none is given; give one, such as RUN=runs/quick")
        if self.ensemble and not self.cache:
            raise ValueError(
                f"ensemble={self.ensemble}: its photos are not known; give the cache that its recipes were "
                "trained on (CACHE=)"
            )


def run(settings: ReportSettings) -> None:
    """Write the page and print where it is."""
    # torch takes seconds to import, which --help and the page on a cache should not wait for.
    if settings.cache and not (settings.run or settings.ensemble):
        from report.of_cache import report_on_cache

        _say(report_on_cache(settings.cache, settings.out))
        return
    from report.work import report_on_ensemble, report_on_runs

    if settings.run:
        written = report_on_runs(settings.run, settings.cache, settings.out, settings.compute)
    else:
        assert settings.ensemble and settings.cache
        written = report_on_ensemble(
            settings.ensemble,
            settings.cache,
            settings.out,
            runs=settings.runs,
            predictions=settings.predictions,
            compute=settings.compute,
        )
    _say(written)


def _say(written: Sequence[Path]) -> None:
    for path in written:
        print(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """`python -m report`."""
    run_command(ReportSettings, run)
