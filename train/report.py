"""What trained folds achieved: curves of one, out-of-fold scores and confusion of all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.labels import TASKS, FloatArray, compose
from faces.metrics import class_scores
from faces.plots import draw_confusions
from train.predict import score_heads


def read_out_of_fold(folder: Path) -> pd.DataFrame:
    """The out-of-fold tables of all folds of a recipe, one below the other."""
    return pd.concat(
        [pd.read_parquet(path) for path in sorted(folder.glob("fold*/oof.parquet"))], ignore_index=True
    )


def heads_of(table: pd.DataFrame) -> dict[str, FloatArray]:
    """[n, classes] probabilities by task from the `<task>:<class>` columns of an out-of-fold table."""
    tasks = dict.fromkeys(column.split(":")[0] for column in table.columns if ":" in column)
    return {t: table[[f"{t}:{name}" for name in TASKS[t].classes]].to_numpy(np.float32) for t in tasks}


def score_out_of_fold(table: pd.DataFrame) -> dict[str, float]:
    """Scores of an out-of-fold table: each photo predicted by the fold that did not see its person."""
    return score_heads(table, heads_of(table))


def folds_in(table: pd.DataFrame) -> str:
    """`folds 0, 1`."""
    return "folds " + ", ".join(str(fold) for fold in sorted(table["fold"].unique()))


def draw_out_of_fold(table: pd.DataFrame, folder: Path) -> Path:
    """Write out_of_fold.png, the confusion matrices of a table whose heads say the 18 classes."""
    truth = TASKS["class18"].encode(table["mask"], table["gender"], table["age"])
    guess = compose(heads_of(table)).argmax(1)
    figure = Figure(figsize=(16, 10), layout="constrained")
    scores = class_scores(truth, guess)
    figure.suptitle(f"{folder.name}, {folds_in(table)} out of fold: macro F1 {scores['macro_f1']:.3f}")
    draw_confusions(figure, truth, guess)
    path = folder / "out_of_fold.png"
    figure.savefig(path, dpi=100)
    return path


def draw_curves(folder: Path) -> Path:
    """Write curves.png from a run's metrics.csv: loss, scores and learning rate by epoch."""
    history = pd.read_csv(folder / "metrics.csv")
    epochs = history.epoch.astype(int) + 1
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    loss, score, rate = figure.subplots(1, 3)
    loss.plot(epochs, history.loss, color="tab:red")
    loss.set(title="training loss", xlabel="epoch")
    for name in history.columns.drop(["epoch", "lr", "loss", "images_per_s", "seconds"]):
        score.plot(epochs, history[name], label=name, linewidth=2.5 if name == "macro_f1" else 1)
    best = int(history.macro_f1.to_numpy().argmax())
    score.axvline(epochs[best], color="grey", linestyle=":", label=f"best: epoch {epochs[best]}")
    score.set(title="validation", xlabel="epoch", ylim=(0, 1.02))
    score.legend(fontsize=8)
    rate.plot(epochs, history.lr, color="tab:green")
    rate.set(title="learning rate at the start of the epoch", xlabel="epoch")
    path = folder / "curves.png"
    figure.savefig(path, dpi=100)
    return path
