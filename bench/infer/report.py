"""What the turns of the ways came to, as rows, table, goals, JSON and picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.infer.ways import FROM_PHOTOS
from bench.measure import Round, Row, circumstances, draw_rows, save_report
from faces.plots import save_figure

PACKAGES = ("torch", "torchvision", "timm", "facenet-pytorch", "onnxruntime", "numpy", "pillow")
OF_MODEL, OF_LOOP = 0.95, 3.0
"""Goals: the share of the bare networks' speed, and times the speed of the loop with the same answers."""


@dataclass(frozen=True, kw_only=True)
class InferRow(Row):
    """What the turns of one way came to; `ratio` is to the batch-1 loop over the same photos or crops,
    whatever the number of passes."""

    of_model: float | None = None
    """Speed over that of the bare networks in the turn beside, median of the turns; None where there is no
    such way."""
    of_model_min: float | None = None
    """Smallest such ratio."""
    of_model_max: float | None = None
    """Largest such ratio."""
    peak_mb: float
    """Most resident memory of the way's process, MB, libraries and mapped files among it."""
    load_s: float
    """Seconds to load the networks before the first turn."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure and what it should be."""

    text: str
    value: float
    wanted: float

    @property
    def reached(self) -> bool:
        """Whether the figure is at least that."""
        return self.value >= self.wanted


def make_row(
    row: Row,
    rounds: Sequence[Round],
    loop: Sequence[Round],
    bare: Sequence[Round] | None,
    *,
    peak_mb: float,
    load_s: float,
) -> InferRow:
    """A way's row, with its ratio to a loop, and to the bare networks turn by turn.

    Args:
        row: of `bench.measure.measure`.
        rounds: counted turns of the way.
        loop: those of the loop that it is compared with.
        bare: those beside them of the same passes without anything else, if there is such a way.
        peak_mb: of its process.
        load_s: of its networks.
    """
    ratios: dict[str, Any] = {}
    if bare is not None:
        found = [a.images / a.wall / (b.images / b.wall) for a, b in zip(rounds, bare, strict=True)]
        values = {
            "of_model": statistics.median(found),
            "of_model_min": min(found),
            "of_model_max": max(found),
        }
        ratios = {name: round(value, 3) for name, value in values.items()}
    ratio = round(_median_speed(rounds) / _median_speed(loop), 3)
    return InferRow(**vars(row) | {"ratio": ratio}, **ratios, peak_mb=round(peak_mb), load_s=round(load_s, 2))


def _median_speed(rounds: Sequence[Round]) -> float:
    return statistics.median(done.images / done.wall for done in rounds)


def goals_of(backbone: str, rows: Sequence[InferRow]) -> list[Goal]:
    """What is to be reached: shares of the bare networks' speed, and ours from photos beside the loop.

    That over crops has no goal: where the networks take all the time, both ways wait for the same arithmetic.
    """
    goals = [
        Goal(text=f"{backbone}: {row.name}, of model only", value=row.of_model, wanted=OF_MODEL)
        for row in rows
        if row.of_model is not None
    ]
    (photos,) = (row for row in rows if row.name == FROM_PHOTOS)
    goals.append(Goal(text=f"{backbone}: {photos.name}, times the loop", value=photos.ratio, wanted=OF_LOOP))
    return goals


def rows_table(title: str, rows: Sequence[InferRow]) -> Table:
    """One recipe's rows as a table for the terminal."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("photos/s", "x loop", "of model only", "peak MB"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        share = ""
        if row.of_model is not None:
            share = f"{row.of_model:.2f} ({row.of_model_min:.2f}-{row.of_model_max:.2f})"
        speed = f"{row.images_per_s:,.1f} ({row.min:,.1f}-{row.max:,.1f})"
        table.add_row(row.name, speed, f"{row.ratio:.2f}", share, f"{row.peak_mb:,.0f}")
    return table


def write_results(
    path: Path, results: Mapping[str, Sequence[InferRow]], conditions: Mapping[str, Any]
) -> None:
    """Print conditions and goals; write the JSON and, beside it, the picture.

    Args:
        path: the JSON file; its folder is made.
        results: rows by backbone.
        conditions: what a reader needs to repeat it.
    """
    goals = [goal for backbone, rows in results.items() for goal in goals_of(backbone, rows)]
    report = save_report(
        path,
        conditions=conditions,
        versions={name: version(name) for name in PACKAGES},
        rows=[{"backbone": backbone, **vars(row)} for backbone, rows in results.items() for row in rows],
        goals=[vars(goal) | {"reached": goal.reached} for goal in goals],
    )
    _draw(path.with_suffix(".png"), results, report["machine"])
    console = Console(highlight=False)
    console.print(circumstances(report))
    for goal in goals:
        outcome = "reached" if goal.reached else "missed"
        console.print(f"{outcome}: {goal.text}: {goal.value:.2f}, goal {goal.wanted:g}")
    console.print(f"wrote {path} and {path.with_suffix('.png')}")


def _draw(path: Path, results: Mapping[str, Sequence[InferRow]], machine: str) -> None:
    from matplotlib.figure import Figure

    bars = sum(len(rows) for rows in results.values())
    figure = Figure(figsize=(9, 1.4 * len(results) + 0.45 * bars), layout="constrained")
    charts = figure.subplots(len(results), squeeze=False)[:, 0]
    for axes, (backbone, rows) in zip(charts, results.items(), strict=True):
        shares = [f"{row.of_model:.0%}" for row in rows if row.of_model is not None]
        title = f"{backbone}: ours at {', '.join(shares)} of the bare networks"
        draw_rows(axes, rows, title, machine)
    save_figure(figure, path, dpi=120)
