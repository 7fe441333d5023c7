"""What both kinds of folds promised and their models kept: as a table, in a line each, and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.table import Table

from faces.folds import FoldScheme
from faces.plots import save_figure

SCHEMES: tuple[FoldScheme, ...] = ("image", "person")
PROMISED, KEPT = "promised", "kept"
SCORED_ON = {PROMISED: "validation", KEPT: "unseen"}
COUNTS = ("people", "both_sides")

Means = dict[tuple[str, str], dict[str, float]]
"""`COUNTS` and main scores, macro_f1 first, by scheme and `PROMISED` or `KEPT`."""


def scores_table(means: Means, title: str) -> Table:
    """The scores of both schemes, promised and kept."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for name in ("folds by", "scored"):
        table.add_column(name)
    scores = [name for name in next(iter(means.values())) if name not in COUNTS]
    for name in ("people", "seen", *scores):
        table.add_column(name.replace("_", " "), justify="right")
    for (scheme, score), values in means.items():
        counts = (f"{values[name]:.0f}" for name in COUNTS)
        table.add_row(scheme, SCORED_ON[score], *counts, *(f"{values[name]:.3f}" for name in scores))
    return table


def verdict(means: Means) -> str:
    """What both schemes promised too much, in a line each."""
    (promised, kept), (fair, borne) = (
        [means[scheme, score]["macro_f1"] for score in (PROMISED, KEPT)] for scheme in SCHEMES
    )
    return (
        f"random-image folds promise {promised - kept:.3f} more macro F1 than people unseen in training bear "
        f"out ({promised:.3f} promised, {kept:.3f} kept)\n"
        f"folds of people promise {fair - borne:.3f} more ({fair:.3f} promised, {borne:.3f} kept)"
    )


def draw_leak(means: Means, title: str, scored: str, path: Path) -> None:
    """Two bars a scheme: the macro F1 it promised and the one it kept, over what is `scored`."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(SCHEMES))
    for shift, score, colour in ((-0.2, PROMISED, "tab:orange"), (0.2, KEPT, "tab:blue")):
        values = [means[scheme, score]["macro_f1"] for scheme in SCHEMES]
        label = f"{score}: on {SCORED_ON[score]} people"
        axes.bar_label(
            axes.bar(places + shift, values, 0.38, color=colour, label=label), fmt="%.3f", padding=2
        )
    names = []
    for scheme in SCHEMES:
        people, both = (f"{means[scheme, PROMISED][name]:.0f}" for name in COUNTS)
        names.append(f"folds by {scheme}: of {people} people\nwho validate, {both} train too")
    axes.set_xticks(places, names)
    axes.set(ylabel=f"macro F1 over {scored}", ylim=(0, 1), title=title)
    figure.legend(loc="outside lower center", ncols=2)
    save_figure(figure, path, dpi=120)
