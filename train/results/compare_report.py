"""A comparison of recipes as tables, in the terminal and in a document, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.files import settings_text, write_atomically
from faces.folds import fold_numbers
from faces.intervals import DRAWS
from faces.plots import save_figure
from faces.terminal.output import print_whole
from train.results.comparison import Line
from train.results.metrics import best_less_last
from train.results.recipe_scores import RecipeScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARK = "†"
"""Behind names whose folds are not the baseline's."""
_SENIOR = "F1 60+ classes"
_GIVEN = {"senior": _SENIOR}
_MEANT = {
    _SENIOR: f"{_SENIOR}: mean F1 of the six classes of people of 60 and over, mask and gender right too"
}
"""What is to be said of a column where a table has it."""


def table_groups(lines: Sequence[Line]) -> list[list[Line]]:
    """Lines of a table each: those judged by one headline (the contest's 18 classes), then all others."""
    return [
        list(group) for _, group in groupby(lines, lambda line: line.scores.headline and line.scores.judged)
    ]


def _classes_text(group: Sequence[Line]) -> str:
    """`18 classes`: of the headline that a table's lines are judged by; "" of other lines."""
    scores = group[0].scores
    return f"{len(scores.labels.task(scores.labels.headline).classes)} classes" if scores.headline else ""


def cells(line: Line) -> dict[str, str]:
    """The texts of a line by column."""
    scores, folds = line.scores, line.scores.fold_scores
    against = "baseline" if line.baseline == scores.name else "–"
    if line.gain:
        against = line.gain.signed
    spread = f"{np.mean(folds):.3f}" + (f" ± {np.std(folds, ddof=1):.3f}" if len(folds) > 1 else "")
    whole = scores.headline
    tasks = {} if whole else {"heads": ", ".join(f"{k} {v:.3f}" for k, v in scores.details.items())}
    return {
        "recipe": scores.name + ("" if line.comparable else f" {_MARK}"),
        "folds": _fold_text(scores),
        "photos": f"{scores.photos:,}",
        "macro F1": f"{scores.macro_f1.value:.3f}",
        "95 %": f"{scores.macro_f1.low:.3f}–{scores.macro_f1.high:.3f}",
        "against baseline": against,
        "folds' mean ± sd": spread,
        **({_GIVEN.get(k, k): f"{v:.3f}" for k, v in scores.details.items()} if whole else tasks),
        "best − last": _gap(scores),
        "epochs": _range([len(fold.history) for fold in scores.folds]),
        "minutes": f"{_minutes(scores):.1f}",
        "parameters": _parameters(scores),
    }


def _gap(scores: RecipeScores) -> str:
    gap = best_less_last([fold.history for fold in scores.folds])
    return "–" if math.isnan(gap) else f"{gap:+.3f}"


def _fold_text(scores: RecipeScores) -> str:
    counts = _range([len(folds) for folds in scores.seeds])
    division = scores.folds[0].division
    return f"{counts} of {len(fold_numbers(division['scheme'], division['folds']))}"


def _range(values: Sequence[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)}–{max(values)}"


def _minutes(scores: RecipeScores) -> float:
    """Training of all folds, mean over seeds."""
    return sum(float(fold.history["seconds"].sum()) for fold in scores.folds) / 60 / len(scores.seeds)


def _parameters(scores: RecipeScores) -> str:
    known = [fold.parameters for fold in scores.folds if fold.parameters is not None]
    if not known:
        return "–"
    return f"{known[0] / 1e6:.2f} M" if known[0] >= 1e5 else f"{known[0]:,}"


def print_tables(lines: Sequence[Line], notes: Sequence[str], console: Console) -> None:
    """Print the tables and what must be known to read them."""
    for group in table_groups(lines):
        title = _classes_text(group) or "heads judged one by one: mean macro F1 of their own tasks"
        table = Table(title=f"out of fold, {title}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        rows = [cells(line) for line in group]
        for name in rows[0]:
            table.add_column(name, justify="left" if name in ("recipe", "heads") else "right", no_wrap=True)
        for line, row in zip(group, rows, strict=True):
            table.add_row(*row.values(), style=None if line.comparable else "dim")
        print_whole(table, console)
    for note in (*_meant(lines), *notes):
        console.print(note, highlight=False, soft_wrap=True)


def _meant(lines: Sequence[Line]) -> list[str]:
    """A sentence on each column whose heading does not say all."""
    columns = {name for line in lines for name in cells(line)}
    return [text for name, text in _MEANT.items() if name in columns]


def markdown_tables(lines: Sequence[Line], notes: Sequence[str], command: str) -> str:
    """The tables in Markdown, with the notes and the command that made them."""
    blocks = []
    for group in table_groups(lines):
        rows = [cells(line) for line in group]
        texts = [list(rows[0]), ["---"] + ["---:"] * (len(rows[0]) - 1), *(list(r.values()) for r in rows)]
        blocks.append("\n".join(f"| {' | '.join(row)} |" for row in texts))
    notes = [*_meant(lines), *notes]
    blocks += ["\n".join(f"- {note}" for note in notes)] if notes else []
    blocks.append(
        f"Scores out of fold; 95 % intervals over people, {DRAWS:,} draws; minutes of all folds. "
        f"Made by `{command}`."
    )
    return "\n\n".join(blocks)


def replace_block(path: Path, name: str, text: str) -> None:
    """Put a text between two comment lines of a document, in place of what stands there.

    Raises:
        ValueError: no such document, or it lacks the lines.
    """
    begin, end = f"<!-- compare:{name} -->", f"<!-- /compare:{name} -->"
    if not path.is_file():
        raise ValueError(f"{path}: no such document; write one with the lines {begin} and {end}")
    document = settings_text(path)
    before, begun, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(
            f"{path}: the tables go between the lines {begin} and {end}; add both, in that order"
        )
    write_atomically(path, f"{before}{begin}\n{text}\n{end}{after}".encode())


def draw_comparison(lines: Sequence[Line], path: Path) -> None:
    """Draw each line's macro F1 with its interval and its folds, the best at the top."""
    groups = table_groups(lines)
    heights = [len(group) + 1.6 for group in groups]
    figure = Figure(figsize=(9, 0.34 * sum(heights) + 0.5), layout="constrained")
    columns = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, group in zip(columns, groups, strict=True):
        _draw_group(axes, group)
    save_figure(figure, path, dpi=120)


def _draw_group(axes: Axes, group: Sequence[Line]) -> None:
    places = np.arange(len(group))[::-1]
    for place, line in zip(places, group, strict=True):
        score, colour = line.scores.macro_f1, "tab:blue" if line.comparable else "tab:gray"
        axes.plot([score.low, score.high], [place] * 2, color=colour, linewidth=2.5, alpha=0.5)
        folds = line.scores.fold_scores
        axes.plot(folds, [place - 0.27] * len(folds), ".", color="black", alpha=0.6, markersize=4.5)
        face = colour if line.comparable else "white"
        axes.plot(score.value, place, "o", color=colour, markerfacecolor=face, markersize=8)
        axes.text(
            1.01,
            place,
            f"{score.value:.3f}",
            transform=axes.get_yaxis_transform(),
            va="center",
            fontsize=9,
        )
    bases = {line.baseline: line for line in group if line.baseline == line.scores.name}
    for line in bases.values():
        axes.axvline(line.scores.macro_f1.value, color="tab:blue", linestyle=":", linewidth=1, zorder=0)
    names = [line.scores.name + ("" if line.comparable else f" {_MARK}") for line in group]
    axes.set_yticks(places, names)
    axes.set_ylim(-0.7, len(group) - 0.3)
    axes.grid(axis="x", alpha=0.3)
    axes.set_xlabel("macro F1, " + (_classes_text(group) or "own tasks"))
    marked = "" if all(line.comparable for line in group) else f"; {_MARK} other folds, not comparable"
    axes.set_title(
        f"out of fold, 95 % interval over people; small dots are folds{marked}", fontsize=9, loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)
