"""Ensembles side by side as a table, in the terminal and in a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.intervals import DRAWS, Estimate
from faces.terminal.output import print_whole

_BAND_F1 = "band F1"
"""Of a band of one factor; the classes that people of it have with other factors have F1 of their own."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Scores and costs of one ensemble."""

    name: str
    space: str
    """The task that it votes on and is scored in; "" for the labels' headline."""
    photos: int
    """Photos that are scored: labelled for the task and validated by all members."""
    macro_f1: Estimate
    """Macro F1 over the task's classes."""
    last_bands: Mapping[str, Estimate]
    """F1 of the last band of each factor that is a number, by its short name: 60+."""
    best: str
    """The member that scores best alone, of several that tell the task; "" of a single one or none."""
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


def by_space(standings: Sequence[Standing]) -> dict[str, list[Standing]]:
    """Those of each space, in their order: only these can be compared."""
    return {
        space: [standing for standing in standings if standing.space == space]
        for space in dict.fromkeys(standing.space for standing in standings)
    }


def print_standings(standings: Sequence[Standing], cache: Path, console: Console) -> None:
    """Print a table for each space.

    Args:
        standings: at least one.
        cache: named in the heading.
        console: where to print.
    """
    for space, mine in by_space(standings).items():
        rows = _rows(mine)
        title = f"out of fold on {cache}{space and f', task {space}'}"
        table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
        for name in rows[0]:
            table.add_column(name, justify="left" if name == "ensemble" else "right", no_wrap=True)
        for row in rows:
            table.add_row(*row.values())
        print_whole(table, console)
    for note in _notes(standings):
        console.print(note, highlight=False, soft_wrap=True, style="dim")


def markdown_table(standings: Sequence[Standing]) -> str:
    """A table for each space in Markdown, and a line on their intervals.

    Args:
        standings: at least one.
    """
    parts = []
    for space, mine in by_space(standings).items():
        rows = _rows(mine)
        head = [list(rows[0]), ["---"] + ["---:"] * (len(rows[0]) - 1)]
        lines = "\n".join(
            f"| {' | '.join(line)} |" for line in [*head, *(list(row.values()) for row in rows)]
        )
        parts.append(f"Task `{space}`:\n\n{lines}" if space else lines)
    note = f"In brackets 95 % intervals over people, {DRAWS:,} draws. Made by `make standings`."
    return "\n\n".join([*parts, *(f"- {each}" for each in _notes(standings)), note])


def _notes(standings: Sequence[Standing]) -> list[str]:
    """What a band's score is of, and of intervals over few people."""
    bands = dict.fromkeys(band for standing in standings for band in standing.last_bands)
    meant = [f"{_BAND_F1} {band}: of {band} as one class, whatever the other factors" for band in bands]
    return [*meant, *filter(None, dict.fromkeys(standing.macro_f1.caution for standing in standings))]


def _rows(standings: Sequence[Standing]) -> list[dict[str, str]]:
    """Cells by column; with the numbers of photos where these differ, as the scores then are of others."""
    differ = len({standing.photos for standing in standings}) > 1
    return [
        _cells(standing) | ({"photos": f"{standing.photos:,}"} if differ else {}) for standing in standings
    ]


def _cells(standing: Standing) -> dict[str, str]:
    over_best = f"{standing.over_best.signed} ({standing.best})" if standing.over_best else "–"
    return {
        "ensemble": standing.name,
        "macro F1": str(standing.macro_f1),
        **{f"{_BAND_F1} {band}": f"{f1.value:.3f}" for band, f1 in standing.last_bands.items()},
        "over its best member": over_best,
        "gain of its views": standing.over_original.signed if standing.over_original else "–",
        "networks x images": f"{standing.networks} x {standing.images}",
        "parameters": f"{standing.parameters / 1e6:.1f} M",
        "photos/s": "–" if np.isnan(standing.rate) else f"{standing.rate:,.0f}",
    }
