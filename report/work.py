"""The pages on runs and ensembles: gathered, written, and errors.csv beside them."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from faces.files import write_atomically
from report.answers import Answers
from report.errors import errors_csv
from report.page import render_report
from report.place import PAGE, place_of_page
from report.subject import Subject, of_ensemble, of_runs
from train.engine.compute import PredictCompute

ERRORS = "errors.csv"


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
    return _write(subject, place_of_page(out, folder), compute, console)


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
    return _write(subject, place_of_page(out, predictions / ensemble.name / "out_of_fold"), compute, console)


def _write(subject: Subject, page: Path, compute: PredictCompute, console: Console) -> list[Path]:
    answers = Answers(subject)
    # Several pages in one folder each keep their own.
    errors = page.with_name(ERRORS if page.name == PAGE else f"{page.stem}-{ERRORS}")
    html = render_report(answers, page.parent, errors.name, compute.chosen_device(), console)
    write_atomically(errors, errors_csv(answers))
    write_atomically(page, html.encode())
    return [page, errors]
