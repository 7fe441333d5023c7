"""Memory, handles and threads over time, for each job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from bench.soak.probe import Sample
from bench.soak.trend import Trend, turn_medians
from faces.plots import save_figure

ROWS: Final = {
    "resident_mb": "MB resident",
    "own_mb": "MB of its own",
    "handles": "handles",
    "threads": "threads",
}


def draw(
    path: Path,
    samples: Mapping[str, Sequence[Sample]],
    trends: Mapping[str, Mapping[str, Trend]],
    below: str,
) -> None:
    """Draw a column for each job.

    Args:
        path: the PNG.
        samples: by job.
        trends: by job and quantity.
        below: written under it.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6 * len(samples), 9), layout="constrained")
    grid = figure.subplots(len(ROWS), len(samples), sharex="col", squeeze=False)
    for column, (job, looks) in enumerate(samples.items()):
        for row, (quantity, words) in enumerate(ROWS.items()):
            _panel(grid[row][column], looks, quantity, trends[job][quantity])
            if column == 0:
                grid[row][column].set_ylabel(words)
        grid[0][column].set_title(f"{job}: {looks[-1].turn} turns\n{grid[0][column].get_title()}", fontsize=9)
        grid[-1][column].set_xlabel("minutes")
    figure.supxlabel(below, fontsize=7)
    save_figure(figure, path, dpi=110)


def _panel(axes: Any, looks: Sequence[Sample], quantity: str, found: Trend) -> None:
    minutes = [look.seconds / 60 for look in looks]
    axes.plot(minutes, [getattr(look, quantity) for look in looks], color="0.8", linewidth=0.7)
    hours, values = turn_medians(looks, quantity)
    axes.plot([60 * hour for hour in hours], values, "o-", color="tab:blue", markersize=3, linewidth=1)
    axes.set_ylim(bottom=0)
    slope = f": {found.an_hour:+,.1f} an hour ({found.low:+,.1f} to {found.high:+,.1f})"
    axes.set_title(found.verdict + ("" if found.verdict == "too few turns" else slope), fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
