"""Where heads look, as a picture: the mean map on the mean crop, and the shares of regions as bars."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faces.plots import save_figure
from infer.explain.overlay import lit
from infer.explain.regions import REGIONS
from infer.explain.shares import HeadShares, Sample, mean_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BARS = (("even look", "0.75"), ("its map", "tab:orange"), ("without background", "tab:blue"))


def draw_shares(found: Sequence[HeadShares], sample: Sample, out: Path) -> None:
    """Write the picture: a column for each head, recipe after recipe.

    Args:
        found: of `shares_of`.
        sample: that they looked at.
        out: PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.9 * len(found) + 1.2, 5.6), layout="constrained")
    grid = figure.subplots(2, len(found), squeeze=False, height_ratios=(1.25, 1))
    mean_crop = sample.crops.mean(0)
    mean_crop = 255 * (mean_crop - mean_crop.min()) / max(np.ptp(mean_crop), 1)  # means are dull
    for (above, below), head in zip(grid.T, found, strict=True):
        above.imshow(lit(mean_crop, head.mean_map / max(float(head.mean_map.max()), 1e-9)))
        above.set_title(f"{head.recipe}: {head.name}", fontsize=10)
        above.set_axis_off()
        _draw_bars(below, head, named=below is grid[1, 0])
    figure.suptitle(
        f"Where each head looks, mean over {len(sample.rows):,} people (orange: what speaks for its answer)",
        fontsize=11,
    )
    handles, names = grid[1, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=len(BARS), fontsize=9, frameon=False)
    save_figure(figure, out, dpi=100)


def _draw_bars(axes: Axes, head: HeadShares, *, named: bool) -> None:
    places = np.arange(len(REGIONS))
    for number, ((name, colour), values) in enumerate(
        zip(BARS, (head.area, head.shares, head.bare), strict=True)
    ):
        means = [mean_of(part) for part in values.T]
        axes.barh(
            places + 0.26 * (number - 1), [each.value for each in means], 0.24, color=colour, label=name
        )
    axes.set_yticks(places, REGIONS if named else [""] * len(REGIONS), fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
