"""`python -m infer.answers.score`: predictions against known answers, in numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from faces.cache.reader import Cache
from faces.command import run_command
from faces.files import check_writable
from faces.intervals import estimate, gain
from faces.labels import IntArray, Task
from faces.plots import draw_confusions, save_figure
from faces.terminal.output import print_notes
from infer.answers.known import Known, Truth, read_networks, read_people, read_truth
from infer.answers.submission import NETWORKS, PRIOR
from infer.answers.submission_checks import changed_notes, check_predicted
from infer.answers.written import read_written

_MATRICES, _ROW = 10.2, 2.35
"""Inches of the picture's height for the matrices, at most, and for a row of photos."""


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Score predictions against known answers.

    Prints macro F1 and accuracy over the classes that were voted on, the accuracy of each factor, those of
    each network alone on average, where its heads tell all classes, and writes score.png (confusion matrices,
    sample predictions) beside them. Where not all factors of a photo are known, those that are count.

    Example: make score PREDICTIONS=predictions/quick ANSWERS=answers.csv CACHE=caches/new
    """

    predictions: Path
    """Folder of the predictions: predictions/<ensemble>."""
    answers: Path
    """Table with the column ImageID (or path) and, for each factor that was answered, a column of its name in
    words, codes or numbers; or ans, the true class (the contest's 0-17). With person too, intervals are
    printed."""
    cache: Path
    """The cache that was predicted, for the pictures."""


def run(settings: ScoreSettings) -> None:
    """Score, print and draw."""
    written = read_written(settings.predictions)
    table = written.table
    cache = Cache.open(settings.cache)
    check_predicted(settings.predictions, table, written.entries, cache)
    notes = changed_notes(settings.predictions)
    truth = read_truth(settings.answers, table, written.task, written.labels, notes)
    people = read_people(settings.answers, table)
    alone = read_networks(settings.predictions / NETWORKS, table, len(written.task.classes))
    check_writable(settings.predictions)
    print_notes(notes)
    console = Console(markup=False)
    console.print(vote_table(f"{settings.predictions} against {len(table):,} answers", table, truth, alone))
    if truth.unknown:
        console.print(f"not known, and so not counted: {truth.unknown}", highlight=False, soft_wrap=True)
    if people is not None:
        line = vote_intervals(table["ans"].to_numpy(np.int64), alone, Known(truth, people))
        console.print(line, highlight=False, soft_wrap=True)
    path = draw_score(table, truth, cache, settings.predictions)
    console.print(f"picture: {path}", highlight=False, soft_wrap=True)


def vote_table(title: str, table: pd.DataFrame, truth: Truth, alone: Sequence[IntArray]) -> Table:
    """Macro F1 and accuracies of the vote and, where there are several, of one network on average."""
    scores = truth.scores(table["ans"].to_numpy(np.int64))
    shown = Table(title=title, title_justify="left")
    shown.add_column("")
    for name in scores:
        shown.add_column(name, justify="right")
    shown.add_row("the vote", *map(said, scores.values()))
    if len(alone) > 1:
        means = truth.mean_scores(alone)
        shown.add_row(f"one network, mean of {len(alone)}", *map(said, means.values()))
    return shown


def vote_intervals(vote: IntArray, alone: Sequence[IntArray], known: Known) -> str:
    """Intervals of the vote's macro F1 and, paired, of what it gains over one network."""
    counts = known.counts([vote])
    score = estimate(counts)
    line = f"macro F1 {score.interval}"
    if len(alone) > 1:
        line += f"; the vote less one network {gain(counts, known.counts(alone)).signed_interval}"
    return f"{line}: 95 % intervals over {known.people} people{score.caution and f'; {score.caution}'}"


def draw_score(table: pd.DataFrame, truth: Truth, cache: Cache, folder: Path) -> Path:
    """Write score.png: confusion matrices, and two rows each of right and wrong answers.

    Args:
        table: `answer_table` as written.
        truth: in its order.
        cache: the predicted photos.
        folder: where to write, named in the heading.

    Returns:
        The file written.
    """
    # Takes a second to import, for which --help should not wait.
    from matplotlib.figure import Figure

    from infer.answers.photo_sheet import COLUMNS, draw_photo_grid

    answers = table["ans"].to_numpy(np.int64)
    score = truth.scores(answers)["macro_f1"]
    seen = (table.answered_by != PRIOR) & (truth.classes >= 0)
    right = table[seen & (table.ans == truth.classes)]
    wrong = table[seen & (table.ans != truth.classes)]
    samples = pd.concat([part.sample(min(20, len(part)), random_state=0) for part in (right, wrong)])
    rows = max(1, -(-len(samples) // COLUMNS))
    heights = _matrices_height(truth.task), _ROW * rows
    figure = Figure(figsize=(17, sum(heights)), layout="constrained")
    known = int((truth.classes >= 0).sum())
    figure.suptitle(f"{folder.name}: macro F1 {said(score, 3)} over {known:,} photos", fontsize=15)
    grid = figure.add_gridspec(2, 1, height_ratios=heights)
    draw_confusions(figure.add_subfigure(grid[0]), truth.classes, answers, truth.task, truth.factors)
    photos = figure.add_subfigure(grid[1])
    photos.suptitle("right answers, then wrong ones in red, with what would have been right")
    true = dict(zip(table.ImageID, truth.classes.tolist(), strict=True))
    draw_photo_grid(photos, cache, samples, truth.task, rows, true)
    path = folder / "score.png"
    save_figure(figure, path, dpi=80)
    return path


def _matrices_height(task: Task) -> float:
    """Inches: one matrix of few classes needs less than one beside those of its factors."""
    return _MATRICES if len(task.parts) > 1 else min(_MATRICES, 2 + 0.9 * len(task.classes))


def said(score: float, digits: int = 4) -> str:
    """A score in digits; - of one that is not there."""
    return "-" if np.isnan(score) else f"{score:.{digits}f}"


def main() -> None:
    """`python -m infer.answers.score`."""
    run_command(ScoreSettings, run)


if __name__ == "__main__":
    main()
