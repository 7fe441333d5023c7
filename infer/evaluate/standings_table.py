"""Ensembles side by side as a table, in the terminal and in a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.intervals import DRAWS, Estimate
from faces.terminal import print_whole


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Scores and costs of one ensemble."""

    name: str
    macro_f1: Estimate
    """Macro F1 over the 18 classes."""
    senior_f1: Estimate
    """F1 of the age band >=60."""
    best: str
    """The member that scores best alone, of several that tell the 18 classes; "" of a single one or none."""
    over_best: Estimate | None
    """The gain over that member; None where there is none."""
    over_original: Estimate | None
    """The gain of its views; None where it has the original alone."""
    networks: int
    """Networks that answer a new photo: all folds of all members."""
    images: int
    """Images that each network sees of a photo."""
    parameters: int
    """Parameters of all networks together."""
    rate: float
    """Photos/s of all networks and views; NaN where not measured."""


def print_standings(standings: Sequence[Standing], cache: Path, console: Console) -> None:
    """Print the table.

    Args:
        standings: at least one.
        cache: named in the heading.
        console: where to print.
    """
    rows = [_cells(standing) for standing in standings]
    table = Table(title=f"out of fold on {cache}", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, justify="left" if name == "ensemble" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*row.values())
    print_whole(table, console)


def markdown_table(standings: Sequence[Standing]) -> str:
    """The table in Markdown, with a line on its intervals.

    Args:
        standings: at least one.
    """
    rows = [_cells(standing) for standing in standings]
    lines = [list(rows[0]), ["---"] + ["---:"] * (len(rows[0]) - 1), *(list(row.values()) for row in rows)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\nIn brackets 95 % intervals over people, {DRAWS:,} draws. Made by `make standings`."


def _cells(standing: Standing) -> dict[str, str]:
    over_best = f"{standing.over_best.signed} ({standing.best})" if standing.over_best else "–"
    return {
        "ensemble": standing.name,
        "macro F1": str(standing.macro_f1),
        "F1 60+": f"{standing.senior_f1.value:.3f}",
        "over its best member": over_best,
        "gain of its views": standing.over_original.signed if standing.over_original else "–",
        "networks x images": f"{standing.networks} x {standing.images}",
        "parameters": f"{standing.parameters / 1e6:.1f} M",
        "photos/s": "–" if np.isnan(standing.rate) else f"{standing.rate:,.0f}",
    }
