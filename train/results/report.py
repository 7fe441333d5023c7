"""What trained folds achieved: curves of one, out-of-fold scores and confusion of all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from faces.labels import TASKS, UNKNOWN, FloatArray, IntArray, compose, covers_classes
from faces.plots import draw_confusion, draw_confusions
from faces.scores import confusion
from train.results.head_scores import CLASS_PREFIX, score_heads
from train.results.oof import OOF_FILE, heads_of, read_oof

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OF_TRAINING = ("lr", "loss", "images_per_s", "seconds")


def group_of(column: str) -> Literal["train", "score", "class_f1"]:
    """Kind of a column of metrics.csv other than `epoch`: how training went, a main score, or the F1 of
    one class."""
    if column in _OF_TRAINING:
        return "train"
    return "class_f1" if column.startswith(CLASS_PREFIX) else "score"


def read_out_of_fold(folder: Path) -> pd.DataFrame:
    """The out-of-fold tables of all folds of a recipe, one below the other.

    Raises:
        ValueError: no fold has one.
    """
    paths = sorted(folder.glob(f"fold*/{OOF_FILE}"))
    if not paths:
        raise ValueError(
            f"{folder}: no fold*/{OOF_FILE}, so no photo was predicted by a model that did not see its "
            "person; train a fold that keeps photos for validation"
        )
    return pd.concat([read_oof(path.parent) for path in paths], ignore_index=True)


def scored_heads(table: pd.DataFrame) -> dict[str, FloatArray]:
    """[n, classes] probabilities by task of what a table is scored by: the 18 classes where its heads say
    them together, otherwise each head."""
    heads = heads_of(table)
    return {"class18": compose(heads)} if covers_classes(tuple(heads)) else heads


def true_classes(table: pd.DataFrame, task: str) -> IntArray:
    """[n] true classes of a table's photos in a task, `UNKNOWN` where they have none."""
    return TASKS[task].encode(table["mask"], table["gender"], table["age"])


def score_out_of_fold(table: pd.DataFrame) -> dict[str, float]:
    """Scores of an out-of-fold table: each photo predicted by the fold that did not see its person.

    Raises:
        ValueError: the table has no photos, or no probabilities.
    """
    heads = heads_of(table)
    if table.empty or not heads:
        raise ValueError(
            f"an out-of-fold table of {len(table)} photos and {len(heads)} heads cannot be scored: "
            "train a fold that keeps photos for validation"
        )
    return score_heads(table, heads)


def folds_in(table: pd.DataFrame) -> str:
    """`folds 0, 1`."""
    return "folds " + ", ".join(str(fold) for fold in sorted(table["fold"].unique()))


def confusion_figure(table: pd.DataFrame, title: str) -> Figure:
    """The confusion matrices of an out-of-fold table: of the 18 classes and the factors, or of each task if
    its heads do not say the 18 classes. Photos without a class in the task are left out."""
    scored = scored_heads(table)
    size = (16, 10) if "class18" in scored else (1 + 4.5 * len(scored), 5)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title)
    known = {}
    for task, probabilities in scored.items():
        truth = true_classes(table, task)
        mine = truth != UNKNOWN
        known[task] = truth[mine], probabilities[mine].argmax(1)
    if "class18" in known:
        draw_confusions(figure, *known["class18"])
        return figure
    for axes, (task, (truth, guess)) in zip(
        figure.subplots(1, len(known), squeeze=False).flat, known.items(), strict=True
    ):
        names = TASKS[task].classes
        right = float((truth == guess).mean()) if len(truth) else float("nan")
        draw_confusion(
            axes, confusion(truth, guess, len(names)), names, title=f"{task}: accuracy {right:.3f}"
        )
    return figure


def draw_out_of_fold(table: pd.DataFrame, folder: Path) -> Path:
    """Write out_of_fold.png, the confusion matrices of an out-of-fold table."""
    score = score_out_of_fold(table)["macro_f1"]
    figure = confusion_figure(table, f"{folder.name}, {folds_in(table)} out of fold: macro F1 {score:.3f}")
    path = folder / "out_of_fold.png"
    figure.savefig(path, dpi=100)
    return path


def draw_curves(folder: Path) -> Path:
    """Write curves.png from a run's metrics.csv: loss, main scores, learning rate, F1 of each class by epoch.

    A run without validation has no scores, so those panels are left out.
    """
    history = pd.read_csv(folder / "metrics.csv")
    names = history.columns.drop("epoch")
    scores = [name for name in names if group_of(name) == "score"]
    classes = [name for name in names if group_of(name) == "class_f1"]
    widths = [1.0, *([1.0] if scores else []), 1.0, *([1.5] if classes else [])]
    figure = Figure(figsize=(4 * sum(widths), 4.2 if classes else 3.6), layout="constrained")
    panels = iter(figure.subplots(1, len(widths), width_ratios=widths))
    epochs = history.epoch.astype(int) + 1
    _draw_line(next(panels), epochs, history.loss, "training loss", "tab:red")
    if scores:
        _draw_scores(next(panels), epochs, history[scores])
    _draw_line(next(panels), epochs, history.lr, "learning rate at the start of the epoch", "tab:green")
    if classes:
        _draw_classes(next(panels), epochs, history[classes])
    path = folder / "curves.png"
    figure.savefig(path, dpi=100)
    return path


def _draw_line(axes: Axes, epochs: pd.Series[int], values: pd.Series[float], title: str, colour: str) -> None:
    axes.plot(epochs, values, color=colour, marker="o" if len(epochs) == 1 else None)
    axes.set(title=title, xlabel="epoch")


def _draw_scores(axes: Axes, epochs: pd.Series[int], scores: pd.DataFrame) -> None:
    for name in scores.columns:
        axes.plot(epochs, scores[name], label=name, linewidth=2.5 if name == "macro_f1" else 1)
    best = int(scores["macro_f1"].to_numpy().argmax())
    axes.axvline(epochs[best], color="grey", linestyle=":", label=f"best: epoch {epochs[best]}")
    axes.set(title="validation", xlabel="epoch", ylim=(0, 1.02))
    axes.legend(fontsize=8)


def _draw_classes(axes: Axes, epochs: pd.Series[int], scores: pd.DataFrame) -> None:
    """A heat map of F1, one row a class; grey where a class occurs in no photo and no guess."""
    axes.set_facecolor("lightgrey")
    edges = (epochs.iloc[0] - 0.5, epochs.iloc[-1] + 0.5, len(scores.columns) - 0.5, -0.5)
    shown = axes.imshow(
        np.ma.masked_invalid(scores.to_numpy(np.float64).T),
        cmap="viridis",
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=edges,
    )
    axes.set_yticks(
        range(len(scores.columns)), [name.removeprefix(CLASS_PREFIX) for name in scores.columns], fontsize=7
    )
    axes.set(title="validation F1 of each class", xlabel="epoch")
    axes.figure.colorbar(shown, ax=axes)
