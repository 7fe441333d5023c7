"""A greedy selection as tables: what was added at each size, and what the selection gains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.intervals import estimate, gain
from faces.labels import FloatArray
from faces.terminal.output import print_whole
from infer.tune.greedy import Selection


def print_path(names: Sequence[str], whole: Selection, console: Console) -> None:
    """Print which recipe was added at each size, and what that gave on the photos it was selected on."""
    table = Table(title="selected on all photos", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("votes", "added", "macro F1", "log-loss", ""):
        table.add_column(name, justify="left" if name in ("added", "") else "right", no_wrap=True)
    before = np.zeros(len(names), np.int64)
    for place, counts in enumerate(whole.counts[: whole.best + 1]):
        note = "kept" if place == whole.best else "start, by own score" if place < whole.started else ""
        added = names[int((counts - before).argmax())]
        values = (f"{whole.macro_f1[place]:.4f}", f"{whole.log_loss[place]:.4f}")
        table.add_row(str(place + 1), added, *values, note)
        before = counts
    print_whole(table, console)


def print_scores(parts: Mapping[str, FloatArray], console: Console) -> None:
    """Print macro F1 of each way to answer; the first is what the others are compared with."""
    table = Table(title="out of fold", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "macro F1", "gain of the nested selection over it"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    honest, *_ = parts.values()
    for name, counts in parts.items():
        over = "" if counts is honest or name.endswith("apparent") else gain([honest], [counts]).signed
        table.add_row(name, str(estimate([counts])), over)
    print_whole(table, console)
    note = "nested: each fold answered by what was selected without it; the best single recipe was picked by "
    note += "these very scores, and apparent was selected on the photos that score it: both are flattered"
    if caution := estimate([honest]).caution:
        note += f"; {caution}"
    console.print(note, highlight=False, soft_wrap=True, style="dim")
