"""Ensembles side by side as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from faces.plots import save_figure
from infer.evaluate.standings_table import Standing, by_space

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_standings(standings: Sequence[Standing], path: Path) -> None:
    """Write a picture of each ensemble's macro F1 with its interval, beside what a photo costs; of each space
    by itself."""
    spaces = by_space(standings)
    heights = [0.42 * len(mine) + 1.4 for mine in spaces.values()]
    figure = Figure(figsize=(10, sum(heights)), layout="constrained")
    rows = figure.subfigures(len(spaces), 1, height_ratios=heights, squeeze=False)
    for [row], (space, mine) in zip(rows, spaces.items(), strict=True):
        scores, costs = row.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        _draw_space(scores, costs, mine, space)
    save_figure(figure, path, dpi=120)


def _draw_space(scores: Axes, costs: Axes, standings: Sequence[Standing], space: str) -> None:
    heights = np.arange(len(standings))[::-1]
    for height, standing in zip(heights, standings, strict=True):
        f1 = standing.macro_f1
        scores.plot([f1.low, f1.high], [height] * 2, color="tab:blue", linewidth=2.5, alpha=0.5)
        scores.plot(f1.value, height, "o", color="tab:blue")
        scores.annotate(
            f"{f1.value:.3f}",
            (f1.value, height),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    scores.set_yticks(heights, [standing.name for standing in standings])
    scores.set_ylim(-0.6, len(standings) - 0.2)
    scores.set_xlabel(f"macro F1 {space and f'of {space} '}out of fold, 95 % over people")
    costs.barh(
        heights, [standing.networks * standing.images for standing in standings], color="tab:gray", height=0.5
    )
    costs.set_xlabel("forward passes a new photo")
    for axes in (scores, costs):
        axes.grid(axis="x", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
