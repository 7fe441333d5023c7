"""The pages: gathered, written, and errors.csv beside them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from faces.cache.reader import Cache
from faces.files import check_writable, write_atomically
from preprocess.look.page import render as render_look
from preprocess.look.survey import survey_crops
from report.answers import Answers
from report.counts import dealt_folds
from report.errors import errors_csv
from report.page import render_report
from report.subject import Subject, of_ensemble, of_runs
from train.engine.compute import PredictCompute

PAGE, ERRORS = "report.html", "errors.csv"
SEED = 0
"""Of the crops of a cache that are drawn at random."""


def report_on_cache(cache: Path, out: Path | None) -> list[Path]:
    """Write the page on a cache: what stage 1 made, as `make look` shows it, and how it is dealt to folds.

    Args:
        cache: a finished cache.
        out: the page; report.html in the cache where it is None.

    Returns:
        The file written.

    Raises:
        CacheError: the cache is unfinished or damaged.
        OSError: the page cannot be written.
    """
    opened = Cache.open(cache)
    page = _page(out, cache)
    counts, why = dealt_folds(opened)
    html = render_look(survey_crops(opened), SEED, folds=counts, not_dealt=why)
    write_atomically(page, html.encode())
    return [page]


def report_on_runs(folder: Path, cache: Path | None, out: Path | None, compute: PredictCompute) -> list[Path]:
    """Write the page on a trained fold, or on all of a recipe; arguments and errors as of `of_runs`.

    Args:
        folder: runs/x/fold0 or runs/x.
        cache: on which they were trained; looked for where it is None.
        out: the page; report.html in the folder where it is None.
        compute: where to predict.

    Returns:
        The page and errors.csv beside it.
    """
    console = Console(markup=False)
    subject = of_runs(folder, cache, compute, console)
    return _write(subject, _page(out, folder), compute, console)


def report_on_ensemble(
    file: Path,
    cache: Path,
    out: Path | None,
    *,
    runs: Path,
    predictions: Path,
    compute: PredictCompute,
) -> list[Path]:
    """Write the page on an ensemble, out of fold; errors as of `of_ensemble`.

    Args:
        file: of the ensemble.
        cache: on which its recipes were trained.
        out: the page; report.html beside what `make evaluate` writes where it is None.
        runs: folder of all runs.
        predictions: folder of all predictions.
        compute: where to predict.

    Returns:
        The page and errors.csv beside it.
    """
    console = Console(markup=False)
    subject, ensemble = of_ensemble(file, cache, runs, compute, console)
    return _write(subject, _page(out, predictions / ensemble.name / "out_of_fold"), compute, console)


def _page(out: Path | None, folder: Path) -> Path:
    """Where the page goes, into a folder that can be written."""
    page = out or folder / PAGE
    if page.is_dir():
        raise ValueError(f"{page}: is a folder; give the page itself (OUT={page / PAGE})")
    check_writable(page.parent)
    return page


def _write(subject: Subject, page: Path, compute: PredictCompute, console: Console) -> list[Path]:
    answers = Answers(subject)
    # Several pages in one folder each keep their own.
    errors = page.with_name(ERRORS if page.name == PAGE else f"{page.stem}-{ERRORS}")
    html = render_report(answers, page.parent, errors.name, compute.chosen_device(), console)
    write_atomically(errors, errors_csv(answers))
    write_atomically(page, html.encode())
    return [page, errors]
