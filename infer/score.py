"""The command that scores a submission against known answers, in numbers and as a picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.labels import IntArray
from faces.metrics import class_scores
from faces.plots import draw_confusions
from faces.settings import run_command
from infer.gallery import draw_photos
from infer.submission import PRIOR


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Score predictions against known answers.

    Prints macro F1 and accuracies, those of each network alone on average, where its heads tell all classes,
    and writes score.png (confusion matrices, sample predictions) beside them.
    """

    predictions: Path
    """Folder of the predictions: predictions/<ensemble>."""
    answers: Path
    """CSV with the columns ImageID and ans (the true class, 0-17)."""
    cache: Path
    """The cache that was predicted, for the pictures."""


def run(settings: Settings) -> None:
    """Score and draw."""
    table = pd.read_parquet(settings.predictions / "probabilities.parquet")
    truth = read_answers(settings.answers, table)
    scores = class_scores(truth, table["ans"])
    shown = Table(title=f"{settings.predictions} against {len(table):,} answers", title_justify="left")
    shown.add_column("")
    for name in scores:
        shown.add_column(name, justify="right")
    shown.add_row("the vote", *(f"{value:.4f}" for value in scores.values()))
    alone = alone_scores(settings.predictions / "networks.parquet", table, truth)
    if len(alone) > 1:
        shown.add_row(
            f"one network, mean of {len(alone)}", *(f"{value:.4f}" for value in alone.mean()[list(scores)])
        )
    console = Console()
    console.print(shown)
    path = draw_score(table, truth, Cache.open(settings.cache), scores["macro_f1"], settings.predictions)
    console.print(f"picture: {path}", highlight=False, soft_wrap=True)


def read_answers(path: Path, table: pd.DataFrame) -> IntArray:
    """[n] true classes in the order of the predictions.

    Raises:
        ValueError: no such file or column, or photos that only one side knows.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such answers file")
    answers = pd.read_csv(path, dtype={"ImageID": str})
    for column in ("ImageID", "ans"):
        if column not in answers:
            raise ValueError(f"{path}: no column {column!r}; it has {', '.join(answers.columns)}")
    known, asked = set(answers.ImageID), set(table.ImageID)
    if known != asked or answers.ImageID.duplicated().any():
        stray = sorted(known ^ asked)[:3]
        raise ValueError(
            f"{path}: its {len(answers)} answers are not those of the {len(table)} predicted photos "
            f"(on one side only: {stray})"
        )
    return answers.set_index("ImageID").ans.loc[table.ImageID].to_numpy(np.int64)


def alone_scores(path: Path, table: pd.DataFrame, truth: IntArray) -> pd.DataFrame:
    """Scores of each network that answers all 18 classes by itself.

    Args:
        path: networks.parquet; none of predictions that are older than it.
        table: of the predictions; photos that no network saw keep its answer.
        truth: [n] true classes in the order of `table`.

    Returns:
        A row for each network, columns of `class_scores`.
    """
    if not path.is_file():
        return pd.DataFrame()
    networks = pd.read_parquet(path).set_index("ImageID").reindex(table.ImageID)
    given = table["ans"].to_numpy(np.int64)
    answers = {
        name: np.where(said.isna(), given, said.fillna(0)).astype(np.int64) for name, said in networks.items()
    }
    return pd.DataFrame({name: class_scores(truth, said) for name, said in answers.items()}).T


def draw_score(
    table: pd.DataFrame,
    truth: IntArray,
    cache: Cache,
    score: float,
    folder: Path,
) -> Path:
    """Write score.png: confusion matrices, and two rows each of right and wrong answers."""
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
    draw_photos(photos, cache, samples, 4, dict(zip(table.ImageID, truth.tolist(), strict=True)))
    path = folder / "score.png"
    figure.savefig(path, dpi=80)
    return path


def main() -> None:
    """`python -m infer.score`."""
    run_command(Settings, run)


if __name__ == "__main__":
    main()
