"""What trained folds achieved: curves of one, out-of-fold scores and confusion of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from faces.labels import UNKNOWN, FloatArray, IntArray, LabelSet, Task
from faces.plots import class_names, draw_confusion, draw_confusions, legible, save_figure
from faces.scores import confusion
from train.engine.card import BEST_FILE, OOF_FILE, read_card
from train.recipe.ending import VALIDATION_LOSS
from train.results.head_scores import CLASS_PREFIX, judged_heads, score_heads
from train.results.metrics import read_metrics
from train.results.oof import heads_of
from train.results.together import check_there, read_checked_oof

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OF_TRAINING = ("lr", "loss", VALIDATION_LOSS, "images_per_s", "seconds")
_MATRICES, _NARROW = 4, 6
"""How many confusion matrices stand in a row where none has more classes than the second number."""


def group_of(column: str) -> Literal["train", "score", "class_f1"]:
    """Kind of a column of metrics.csv other than `epoch`: how training went, a main score, or the F1 of
    one class."""
    if column in _OF_TRAINING:
        return "train"
    return "class_f1" if column.startswith(CLASS_PREFIX) else "score"


def read_out_of_fold(folder: Path) -> pd.DataFrame:
    """The out-of-fold tables of all folds of a recipe, one below the other.

    Raises:
        ValueError: no fold has one, or one is lost, damaged or not that of the weights beside it.
    """
    paths = sorted(folder.glob(f"fold*/{OOF_FILE}"))
    if not paths:
        raise ValueError(
            f"{folder}: no fold*/{OOF_FILE}, so no photo was predicted by a model that did not see its "
            "person; train a fold that keeps photos for validation"
        )
    for best in sorted(folder.glob(f"fold*/{BEST_FILE}")):
        check_there(best, read_card(best), OOF_FILE)
    return pd.concat([read_checked_oof(path.parent) for path in paths], ignore_index=True)


def scored_heads(table: pd.DataFrame, labels: LabelSet) -> dict[str, FloatArray]:
    """[n, classes] probabilities by task of what a table is scored by; see `judged_heads`."""
    return judged_heads(table, heads_of(table, labels), labels)


def score_out_of_fold(table: pd.DataFrame, labels: LabelSet) -> dict[str, float]:
    """Scores of an out-of-fold table: each photo predicted by the fold that did not see its person.

    Args:
        table: of `train.results.oof.oof_table`, of one fold or several.
        labels: that its photos have.

    Raises:
        ValueError: the table has no photos, or no probabilities.
    """
    heads = heads_of(table, labels)
    if table.empty or not heads:
        raise ValueError(
            f"an out-of-fold table of {len(table)} photos and {len(heads)} heads cannot be scored: "
            "train a fold that keeps photos for validation"
        )
    return score_heads(table, heads, labels)


def folds_in(table: pd.DataFrame) -> str:
    """`folds 0, 1`."""
    return "folds " + ", ".join(str(fold) for fold in sorted(table["fold"].unique()))


def confusion_figure(table: pd.DataFrame, title: str, labels: LabelSet) -> Figure:
    """The confusion matrices of an out-of-fold table: of the labels' headline and its factors where that is
    judged, otherwise of each head. Photos without a class in the task are left out."""
    known: dict[str, tuple[IntArray, IntArray]] = {}
    for name, probabilities in scored_heads(table, labels).items():
        truth = labels.task(name).encode(table)
        mine = truth != UNKNOWN
        known[name] = truth[mine], probabilities[mine].argmax(1)
    tasks = [labels.task(name) for name in known]
    if [*known] == [labels.headline] and len(tasks[0].parts) > 1:
        figure = Figure(figsize=(16, 10), layout="constrained")
        draw_confusions(figure, *known[labels.headline], tasks[0])
    else:
        figure = _matrices(tasks, known)
    figure.suptitle(title)
    # Square matrices shrink in the first layout, and only the next one sees by how much.
    with legible(figure):
        figure.draw_without_rendering()
    return figure


def _matrices(tasks: Sequence[Task], known: Mapping[str, tuple[IntArray, IntArray]]) -> Figure:
    """A confusion matrix a task, some in a row, so large that the words of the widest have room."""
    most = max(len(task.classes) for task in tasks)
    columns = min(len(tasks), _MATRICES if most <= _NARROW else 2)
    rows = -(-len(tasks) // columns)
    side = max(4.5, 2.5 + 0.32 * most)
    size = max(7, 1 + side * columns), (side + 0.6) * rows + 0.4  # the title of one alone has room, too
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, task in zip(grid, tasks, strict=False):
        truth, guess = known[task.name]
        right = f"accuracy {(truth == guess).mean():.3f}" if len(truth) else "no photo is labelled"
        counts = confusion(truth, guess, len(task.classes))
        draw_confusion(axes, counts, class_names(task), title=f"{task.name}: {right}")
    for axes in grid[len(tasks) :]:
        axes.set_visible(False)
    return figure


def draw_out_of_fold(table: pd.DataFrame, folder: Path, labels: LabelSet) -> Path:
    """Write out_of_fold.png, the confusion matrices of an out-of-fold table."""
    score = score_out_of_fold(table, labels)["macro_f1"]
    title = f"{folder.name}, {folds_in(table)} out of fold: macro F1 {score:.3f}"
    figure = confusion_figure(table, title, labels)
    path = folder / "out_of_fold.png"
    save_figure(figure, path, dpi=100)
    return path


def draw_curves(folder: Path) -> Path:
    """Write curves.png from a run's metrics.csv: loss, main scores, learning rate, F1 of each class by epoch.

    A run without validation has no scores, so those panels are left out.
    """
    history = read_metrics(folder, "loss", "lr")
    names = history.columns.drop("epoch")
    scores = [name for name in names if group_of(name) == "score"]
    classes = [name for name in names if group_of(name) == "class_f1"]
    widths = [1.0, *([1.0] if scores else []), 1.0, *([1.5] if classes else [])]
    height = max(4.2, 1 + 0.16 * len(classes)) if classes else 3.6
    figure = Figure(figsize=(4 * sum(widths), height), layout="constrained")
    panels = iter(figure.subplots(1, len(widths), width_ratios=widths))
    epochs = history.epoch.astype(int) + 1
    _draw_line(losses := next(panels), epochs, history.loss, "training loss", "tab:red")
    if VALIDATION_LOSS in history:
        _plot(losses, epochs, history[VALIDATION_LOSS], color="tab:blue")
        losses.set_title("loss: training red, validation blue")
    if scores:
        _draw_scores(next(panels), epochs, history[scores])
    _draw_line(next(panels), epochs, history.lr, "learning rate at the start of the epoch", "tab:green")
    if classes:
        _draw_classes(next(panels), epochs, history[classes])
    for axes in figure.axes[: len(widths)]:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.set_xlim(min(axes.get_xlim()[0], 0.5), max(axes.get_xlim()[1], 1.5))
    path = folder / "curves.png"
    save_figure(figure, path, dpi=100)
    return path


def _draw_line(axes: Axes, epochs: pd.Series[int], values: pd.Series[float], title: str, colour: str) -> None:
    _plot(axes, epochs, values, color=colour)
    axes.set(title=title, xlabel="epoch")


def _plot(axes: Axes, epochs: pd.Series[int], values: pd.Series[float], **style: Any) -> None:
    """A line, of a single epoch a dot, which no line would show."""
    axes.plot(epochs, values, marker="o" if len(epochs) == 1 else None, **style)


def _draw_scores(axes: Axes, epochs: pd.Series[int], scores: pd.DataFrame) -> None:
    # Of a single head macro_f1 is its own score: one line says both.
    for name in scores.columns[~scores.T.duplicated()]:
        wide = 2.5 if name == "macro_f1" else 1
        _plot(axes, epochs, scores[name], label=name.replace("macro_f1", "macro F1"), linewidth=wide)
    if scores["macro_f1"].notna().any():
        best = int(np.nanargmax(scores["macro_f1"]))
        axes.axvline(epochs[best], color="grey", linestyle=":", label=f"best F1: epoch {epochs[best]}")
    axes.set(title="validation", xlabel="epoch", ylim=(0, 1.02))
    # Below, where it hides no curve.
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)


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
