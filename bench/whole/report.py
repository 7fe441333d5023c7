"""What the turns of both ways came to: ratios, table, JSON and picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.measure import circumstances, save_report
from bench.whole.race import OURS, STAGES, TEAMS, Turn
from faces.plots import save_figure
from faces.terminal.output import print_whole

PACKAGES: Final = ("torch", "torchvision", "timm", "facenet-pytorch", "numpy", "pillow")
_COLOURS: Final = dict(zip(STAGES, ("tab:orange", "tab:blue", "tab:green"), strict=True))


def ratios(turns: Sequence[Turn]) -> dict[str, float]:
    """How many times the teams' seconds are ours, by the clock and of CPU time: medians over the turns."""
    medians = {
        way: [
            statistics.median(each) for each in zip(*(t.seconds for t in turns if t.way == way), strict=True)
        ]
        for way in (TEAMS, OURS)
    }
    found = (teams / own for teams, own in zip(medians[TEAMS], medians[OURS], strict=True))
    return dict(zip(("wall", "cpu"), (round(ratio, 2) for ratio in found), strict=True))


def turns_table(turns: Sequence[Turn]) -> Table:
    """A row a turn, for the terminal."""
    table = Table(title="photos to submission", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("seconds", "CPU seconds", *(f"of it {stage}" for stage in STAGES), "macro F1", "accuracy"):
        table.add_column(name, justify="right", no_wrap=True)
    for turn in turns:
        seconds = (f"{value:,.0f}" for value in (*turn.seconds, *turn.cpu.values()))
        table.add_row(turn.way, *seconds, f"{turn.macro_f1:.3f}", f"{turn.accuracy:.3f}")
    return table


def write_results(path: Path, turns: Sequence[Turn], conditions: Mapping[str, Any]) -> dict[str, Any]:
    """Print table and ratios; write the JSON and, beside it, the picture.

    Args:
        path: the JSON file; its folder is made.
        turns: of both ways.
        conditions: what a reader needs to repeat it.

    Returns:
        The report.
    """
    found = ratios(turns)
    report = save_report(
        path,
        conditions=conditions,
        versions={name: version(name) for name in PACKAGES},
        turns=[vars(turn) for turn in turns],
        ratios=found,
    )
    _draw(path.with_suffix(".png"), turns, found, report["machine"])
    console = Console(highlight=False, soft_wrap=True)
    print_whole(turns_table(turns), console)
    console.print(circumstances(report))
    console.print(
        f"as teams write it takes {found['wall']:.1f} times as long, {found['cpu']:.1f} times the CPU time"
    )
    console.print(f"wrote {path} and {path.with_suffix('.png')}")
    return report


def _draw(path: Path, turns: Sequence[Turn], found: Mapping[str, float], machine: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2 + 0.8 * len(turns)), layout="constrained")
    shown = [("wall", "seconds by the clock"), ("cpu", "seconds of CPU time, all processes")]
    for axes, (kind, label) in zip(figure.subplots(2, 1), shown, strict=True):
        _draw_bars(axes, turns, kind)
        axes.set_xlabel(label)
        axes.set_title(f"photos to submission: {TEAMS} takes {found[kind]:.1f} times ours", fontsize=10)
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper right", ncols=len(STAGES), fontsize=8)
    figure.supxlabel(machine, fontsize=8)
    save_figure(figure, path, dpi=120)


def _draw_bars(axes: Any, turns: Sequence[Turn], kind: str) -> None:
    """A bar a turn, of its stages."""
    places = range(len(turns))
    left = [0.0] * len(turns)
    for stage in STAGES:
        widths = [getattr(turn, kind)[stage] for turn in turns]
        axes.barh(places, widths, left=left, color=_COLOURS[stage], label=stage)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, (turn, end) in enumerate(zip(turns, left, strict=True)):
        within = ", faces within" if kind == "wall" and not turn.wall["faces"] else ""
        axes.text(end, place, f"  {end:,.0f}{within}; macro F1 {turn.macro_f1:.3f}", va="center", fontsize=8)
    axes.set_yticks(places, [turn.way for turn in turns])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.4 * max(left))
    axes.spines[["top", "right"]].set_visible(False)
