"""What was measured, for people and as JSON: a table and a chart for each augmentation, and the goals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.loaders.table import CEILINGS, GOALS, Goal
from bench.measure import Row, circumstances, draw_rows, rows_table, save_report
from faces.plots import save_figure


@dataclass(frozen=True, kw_only=True)
class Results:
    """What one run measured."""

    rows: Mapping[str, Sequence[Row]]
    """By policy."""
    missing: Mapping[str, str]
    """Why a rival is not among them, by its name."""
    conditions: Mapping[str, Any]
    """What a reader needs to repeat it."""
    versions: Mapping[str, str]
    """Versions of the packages that matter."""


def reached_goals(
    rows: Mapping[str, Sequence[Row]], goals: Sequence[Goal] = GOALS
) -> list[tuple[Goal, float]]:
    """The goals that these rows can answer, and the ratios reached.

    Args:
        rows: by policy.
        goals: all that may be answered.
    """
    found = []
    for goal in goals:
        reached = goal.ratio({row.name: row for row in rows.get(goal.policy, ())})
        if reached is not None:
            found.append((goal, reached))
    return found


def write_results(path: Path, results: Results) -> None:
    """Print the tables, write the JSON to `path` and the picture beside it, as .png.

    Args:
        path: the JSON file; its folder is made.
        results: of the run.
    """
    console = Console(highlight=False, soft_wrap=True)
    reached = reached_goals(results.rows)
    goals = [
        {"goal": str(goal), "ratio": round(ratio, 3), "passed": ratio >= goal.least}
        for goal, ratio in reached
    ]
    report = save_report(
        path,
        conditions=results.conditions,
        versions=results.versions,
        rows=[{"policy": policy, **vars(row)} for policy, rows in results.rows.items() for row in rows],
        goals=goals,
        missing=dict(results.missing),
    )
    for policy, rows in results.rows.items():
        console.print(rows_table(rows, f"{policy} augmentation"))
    for name, reason in results.missing.items():
        console.print(f"{name}: {reason}")
    console.print(_goals_table(reached))
    console.print(circumstances(report))
    _draw(path.with_suffix(".png"), results, report["machine"])
    console.print(f"wrote {path} and {path.with_suffix('.png')}")


def _goals_table(reached: Sequence[tuple[Goal, float]]) -> Table:
    table = Table("goal", title="Goals, by the medians of this run")
    table.add_column("measured", justify="right")
    table.add_column("")
    for goal, ratio in reached:
        table.add_row(str(goal), f"{ratio:.2f}", "PASS" if ratio >= goal.least else "short")
    return table


def _draw(path: Path, results: Results, machine: str) -> None:
    from matplotlib.figure import Figure

    most = max(len(rows) for rows in results.rows.values())
    figure = Figure(figsize=(9 * len(results.rows), 1.5 + 0.45 * most), layout="constrained")
    panels = figure.subplots(1, len(results.rows), squeeze=False)[0]
    for axes, (policy, rows) in zip(panels, results.rows.items(), strict=True):
        # Ceilings would make the bars that matter short.
        shown = [row for row in rows if row.name not in CEILINGS]
        draw_rows(axes, shown, f"{policy} augmentation, {results.conditions['threads']} workers", machine)
    save_figure(figure, path, dpi=100)
