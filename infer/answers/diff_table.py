"""What changed from one submission to another, as tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from rich.table import Table

from faces.intervals import gain
from faces.labels import IntArray, Task
from faces.plots import class_names
from faces.projection import split_classes
from infer.answers.changes import changed_and_kappa, class_changes, count_right, factor_changes
from infer.answers.known import Known, Truth

_COMMONEST = 12
"""Changes of class that are printed."""


def agreement_table(pairs: pd.DataFrame, task: Task, names: tuple[str, str]) -> Table:
    """How many answers changed, and Cohen's kappa, of the class and of each factor."""
    shown = _table(
        f"from {names[0]} to {names[1]}: {len(pairs):,} photos", "", "changed", "same", "Cohen's kappa"
    )
    before, after = split_classes(pairs["first"], task), split_classes(pairs["second"], task)
    sides = {
        factor: (before[factor], after[factor], len(part.classes))
        for factor, part in zip(task.factors, task.parts, strict=True)
    }
    if len(task.parts) > 1:
        sides = {"class": (pairs["first"].to_numpy(), pairs["second"].to_numpy(), len(task.classes)), **sides}
    for name, (one, other, count) in sides.items():
        changed, kappa = changed_and_kappa(one, other, count)
        text = "undefined" if np.isnan(kappa) else f"{kappa:.4f}"
        shown.add_row(name, f"{changed:,}", f"{1 - changed / len(pairs):.2%}", text)
    return shown


def sides_table(
    pairs: pd.DataFrame, truth: Truth, names: tuple[str, str], alone: Sequence[IntArray]
) -> Table:
    """Macro F1 and accuracies of both sides, the second's less the first's, and those of one network of the
    second on average."""
    scores = [truth.scores(pairs[side].to_numpy(np.int64)) for side in ("first", "second")]
    shown = _table("against the answers", "", *scores[0])
    for name, row in zip(names, scores, strict=True):
        shown.add_row(name, *(f"{value:.4f}" for value in row.values()))
    shown.add_row("difference", *(f"{scores[1][key] - scores[0][key]:+.4f}" for key in scores[0]))
    if len(alone) > 1:
        means = truth.mean_scores(alone)
        shown.add_section()
        shown.add_row(f"one network, mean of {len(alone)}", *(f"{v:.4f}" for v in means.values()))
        shown.add_row("less the first", *(f"{means[key] - scores[0][key]:+.4f}" for key in means))
    return shown


def difference_intervals(pairs: pd.DataFrame, alone: Sequence[IntArray], known: Known) -> str:
    """Paired intervals of the second's macro F1 less the first's, and of one network's of the second."""
    first, second = (known.counts([pairs[side].to_numpy(np.int64)]) for side in ("first", "second"))
    difference = gain(second, first)
    line = f"macro F1: difference {difference.signed_interval}"
    if len(alone) > 1:
        line += f", one network less the first {gain(known.counts(alone), first).signed_interval}"
    caution = difference.caution and f"; {difference.caution}"
    return f"{line}: 95 % intervals over {known.people} people{caution}"


def factor_table(pairs: pd.DataFrame, task: Task) -> Table:
    """Changes of each factor, by from and to."""
    ways = factor_changes(pairs, task)
    shown = _table("changes by factor", "", "photos", "<from", "<to")
    for factor, part in ways.groupby("factor", sort=False):
        shown.add_section()
        shown.add_row(str(factor), f"{part['count'].sum():,}", style="bold")
        for way in part.to_dict("records"):
            shown.add_row("", f"{way['count']:,}", way["before"], way["after"])
    return shown


def class_table(pairs: pd.DataFrame, task: Task) -> Table:
    """The most frequent changes of class."""
    ways = class_changes(pairs)
    few, names = ways.head(_COMMONEST), class_names(task)
    of = f"the {len(few)} most frequent of {len(ways)} " if len(few) < len(ways) else ""
    shown = _table(f"{of}changes of class", "<from", "<to", "photos")
    for before, after, count in few[["before", "after", "count"]].to_numpy(np.int64).tolist():
        shown.add_row(names[before], names[after], f"{count:,}")
    return shown


def right_table(pairs: pd.DataFrame, truth: IntArray) -> Table:
    """How often each side is right on the changed photos, by what changed."""
    shown = _table("who is right on the changed photos", "", "photos", "first", "second", "neither")
    for changed, part in pairs[pairs.changed != ""].groupby("changed"):
        counts = count_right(part, truth[part.index])
        shown.add_row(str(changed), *map(str, (len(part), counts.first, counts.second, counts.neither)))
    every = count_right(pairs, truth)
    shown.add_section()
    total = every.first + every.second + every.neither
    shown.add_row("all", *(f"{count:,}" for count in (total, every.first, every.second, every.neither)))
    return shown


def _table(title: str, *columns: str) -> Table:
    """A table whose first column, and those that begin with <, are aligned to the left."""
    shown = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        left = place == 0 or column.startswith("<")
        shown.add_column(column.removeprefix("<"), justify="left" if left else "right")
    return shown
