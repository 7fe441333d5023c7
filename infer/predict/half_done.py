"""Runs whose training is not at its end: they vote, and it is said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from faces.cache.reader import Cache
from faces.command import typed
from infer.predict.runs import Run


def say_half_done(runs: Iterable[Run], console: Console, cache: Cache | None = None) -> None:
    """Print a line on the runs whose training is not at its end, if there are any, and how to finish it.

    Args:
        runs: that answer; each is named once.
        console: where the line is printed.
        cache: on which they were trained, where that is known.
    """
    half = {run.name: run for run in runs if run.half_done}
    if half:
        listed = ", ".join(f"{run.name} ({run.half_done})" for run in half.values())
        line = f"half done: {listed}; to train to the end: {_commands([*half.values()], cache)}"
        console.print(line, style="yellow", highlight=False, soft_wrap=True)


def _commands(runs: list[Run], cache: Cache | None) -> str:
    folders: dict[Path, list[Run]] = {}
    for run in runs:
        folders.setdefault(run.path.parent.parent, []).append(run)
    return ", ".join(_command(folder, folds, cache) for folder, folds in folders.items())


def _command(folder: Path, folds: list[Run], cache: Cache | None) -> str:
    """What trains some folds of a recipe to their end."""
    card = folds[0].card
    recipe = folds[0].name.rpartition("/")[0]
    scheme = "" if card.scheme == "person" else f" FOLD_SCHEME={card.scheme}"
    seed = f' ARGS="--fold-seed {card.fold_seed}"' if card.fold_seed else ""
    return (
        f"`make train FOLD={typed([run.card.fold for run in folds])} "
        f"RECIPE={typed(f'recipes/{recipe}.toml')} CACHE={typed(cache.folder) if cache else '...'} "
        f"FOLDS={card.folds}{scheme} RUNS={typed(folder.parent)}{seed}`"
    )
