"""`python -m infer.answers.score`: predictions against known answers, in numbers and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.command import run_command
from faces.intervals import estimate, gain
from faces.labels import IntArray
from faces.plots import draw_confusions
from faces.scores import class_scores
from infer.answers.known import Known, mean_scores, read_networks, read_people, read_truth
from infer.answers.photo_sheet import draw_photo_grid
from infer.answers.submission import PRIOR


@dataclass(frozen=True, kw_only=True)
class ScoreSettings:
    """Score predictions against known answers.

    Prints macro F1 and accuracies, those of each network alone on average, where its heads tell all classes,
    and writes score.png (confusion matrices, sample predictions) beside them.
    """

    predictions: Path
    """Folder of the predictions: predictions/<ensemble>."""
    answers: Path
    """CSV with the columns ImageID and ans (the true class, 0-17); with person too, intervals are printed."""
    cache: Path
    """The cache that was predicted, for the pictures."""


def run(settings: ScoreSettings) -> None:
    """Score, print and draw."""
    table = pd.read_parquet(settings.predictions / "probabilities.parquet")
    truth = read_truth(settings.answers, table)
    people = read_people(settings.answers, table)
    alone = read_networks(settings.predictions / "networks.parquet", table)
    console = Console()
    console.print(vote_table(f"{settings.predictions} against {len(table):,} answers", table, truth, alone))
    if people is not None:
        line = vote_intervals(table["ans"].to_numpy(np.int64), alone, Known(truth, people))
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    path = draw_score(table, truth, Cache.open(settings.cache), settings.predictions)
    console.print(f"picture: {path}", highlight=False, soft_wrap=True)


def vote_table(title: str, table: pd.DataFrame, truth: IntArray, alone: Sequence[IntArray]) -> Table:
    """Macro F1 and accuracies of the vote and, where there are several, of one network on average."""
    scores = class_scores(truth, table["ans"])
    shown = Table(title=title, title_justify="left")
    shown.add_column("")
    for name in scores:
        shown.add_column(name, justify="right")
    shown.add_row("the vote", *(f"{value:.4f}" for value in scores.values()))
    if len(alone) > 1:
        means = mean_scores(truth, alone)
        shown.add_row(f"one network, mean of {len(alone)}", *(f"{value:.4f}" for value in means.values()))
    return shown


def vote_intervals(vote: IntArray, alone: Sequence[IntArray], known: Known) -> str:
    """Intervals of the vote's macro F1 and, paired, of what it gains over one network."""
    counts = known.counts([vote])
    line = f"macro F1 {estimate(counts).interval}"
    if len(alone) > 1:
        line += f"; the vote less one network {gain(counts, known.counts(alone)).signed_interval}"
    return f"{line}: 95 % intervals over {known.people} people"


def draw_score(table: pd.DataFrame, truth: IntArray, cache: Cache, folder: Path) -> Path:
    """Write score.png: confusion matrices, and two rows each of right and wrong answers.

    Args:
        table: `answer_table` as written.
        truth: [n] 18-class codes in its order.
        cache: the predicted photos.
        folder: where to write, named in the heading.

    Returns:
        The file written.
    """
    score = class_scores(truth, table["ans"])["macro_f1"]
    figure = Figure(figsize=(17, 19), layout="constrained")
    figure.suptitle(f"{folder.name}: macro F1 {score:.3f} over {len(table):,} photos", fontsize=15)
    grid = figure.add_gridspec(2, 1, height_ratios=(1.15, 1))
    draw_confusions(figure.add_subfigure(grid[0]), truth, table["ans"].to_numpy(np.int64))
    seen = table.answered_by != PRIOR
    right = table[seen & (table.ans == truth)]
    wrong = table[seen & (table.ans != truth)]
    samples = pd.concat([part.sample(min(20, len(part)), random_state=0) for part in (right, wrong)])
    photos = figure.add_subfigure(grid[1])
    photos.suptitle("right answers, and wrong ones (red, with what is right)")
    draw_photo_grid(photos, cache, samples, 4, dict(zip(table.ImageID, truth.tolist(), strict=True)))
    path = folder / "score.png"
    figure.savefig(path, dpi=80)
    return path


def main() -> None:
    """`python -m infer.answers.score`."""
    run_command(ScoreSettings, run)


if __name__ == "__main__":
    main()
