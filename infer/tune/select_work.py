"""From a folder of runs to the ensemble that greedy selection makes of them, with its honest score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.labels import FloatArray, IntArray, covers_classes
from faces.terminal import print_whole, step_progress, track
from infer.ensemble.file import write_ensemble
from infer.ensemble.tree import Ensemble, Leaf, Vote
from infer.ensemble.vote import Ballot
from infer.evaluate.scores import Estimate, class_counts, estimate, gain, numbered
from infer.evaluate.work import ask
from infer.predict.out_of_fold import OutOfFold, plan_out_of_fold
from infer.tune.fit import voice
from infer.tune.greedy import By, Selection, mix, select_members
from infer.tune.select_picture import draw_path

if TYPE_CHECKING:
    from infer.tune.select import Settings


@dataclass(frozen=True, kw_only=True)
class Selected:
    """A selection fitted on all photos, and once without each fold's."""

    whole: Selection
    folds: Mapping[int, Selection]
    nested: IntArray
    """[sizes, n] answers of each size's nested ensembles: each photo by that of its fold."""
    chosen: IntArray
    """[n] nested answers where each fold's selection also chose its own size."""


def select_nested(
    ballots: Sequence[Ballot],
    truth: IntArray,
    fold: IntArray,
    *,
    by: By,
    size: int,
    advance: Callable[[], object] = lambda: None,
) -> Selected:
    """Select on all photos, and for each fold on the photos of the others.

    Args:
        ballots: one of each recipe, over all n photos.
        truth: [n] classes.
        fold: [n] of each photo, at least two.
        by: what is improved.
        size: of the largest ensemble.
        advance: called after each selection, of which there are folds + 1.

    Raises:
        ValueError: one fold only.
    """
    numbers = np.unique(fold)
    if len(numbers) < 2:
        raise ValueError(
            f"only fold {numbers[0]} validates: what is selected on it has no other people to be scored on; "
            "train at least two folds of scheme person"
        )
    nested = np.zeros((size, len(truth)), np.int64)
    chosen = np.zeros(len(truth), np.int64)
    folds = {}
    for number in map(int, numbers):
        mine = fold == number
        found = select_members(ballots, truth, np.flatnonzero(~mine), by=by, size=size)
        for place, counts in enumerate(found.counts):
            nested[place, mine] = mix(ballots, counts, "soft").choices[mine]
        chosen[mine] = nested[found.best, mine]
        folds[number] = found
        advance()
    whole = select_members(ballots, truth, np.arange(len(truth)), by=by, size=size)
    advance()
    return Selected(whole=whole, folds=folds, nested=nested, chosen=chosen)


def library(runs: Path, cache: Cache) -> tuple[list[str], list[str]]:
    """Recipes in a folder that can be selected from, and a line on each that cannot.

    Raises:
        ValueError: none can.
    """
    names = sorted({path.parents[1].name for path in runs.glob("*/fold*/best.safetensors")})
    found, notes = [], []
    for name in track(names, "reading runs", "recipes", transient=True):
        try:
            plan = plan_out_of_fold([name], runs, cache)
        except ValueError as error:
            notes.append(f"{name}: left out: {error}")
            continue
        tasks = plan.runs[name][0].card.recipe.tasks
        if covers_classes(tasks):
            found.append(name)
        else:
            notes.append(f"{name}: left out: {', '.join(tasks)} do not tell the 18 classes")
    if not found:
        raise ValueError(f"{runs}: no recipe to select from: {'; '.join(notes) or 'no trained fold there'}")
    return found, notes


def select_ensemble(settings: Settings, cache: Cache) -> None:
    """Select, print, draw and write."""
    console = Console()
    names, notes = library(settings.runs, cache)
    plan = plan_out_of_fold(names, settings.runs, cache)
    panels = ask(plan, settings.views, settings, console)
    ballots = [voice(Leaf(name), panels, "class18") for name in names]
    truth, person = plan.photos["class18"].to_numpy(np.int64), numbered(plan.photos["person"])
    with step_progress("selections", console=console, transient=True) as progress:
        bar = progress.add_task("selecting", total=plan.fold_count + 1)
        found = select_nested(
            ballots,
            truth,
            plan.photos["fold"].to_numpy(np.int64),
            by=settings.by,
            size=settings.size,
            advance=lambda: progress.advance(bar),
        )
    single = found.whole.counts[0].argmax()
    parts = {
        "selected, nested folds": class_counts(person, truth, found.chosen),
        "best single recipe": class_counts(person, truth, ballots[single].choices),
        "all recipes, equal weights": class_counts(
            person, truth, mix(ballots, np.ones(len(names), np.int64), "soft").choices
        ),
        "selected, apparent": class_counts(person, truth, mix(ballots, found.whole.chosen, "soft").choices),
    }
    print_path(names, found.whole, console)
    print_scores(parts, console)
    ensemble = ensemble_of(names, found, settings, plan, estimate(parts["selected, nested folds"]))
    write_ensemble(ensemble, settings.out)
    picture = settings.out.with_suffix(".png")
    draw_path(names, found, person, truth, parts, settings.by, picture)
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True, style="dim")
    console.print(f"written: {settings.out}, picture: {picture}", highlight=False, soft_wrap=True)


def ensemble_of(
    names: Sequence[str], found: Selected, settings: Settings, plan: OutOfFold, honest: Estimate
) -> Ensemble:
    """The selected recipes with their counts as weights."""
    taken = [(name, int(c)) for name, c in zip(names, found.whole.chosen, strict=True) if c]
    about = (
        f"{len(taken)} of {len(names)} recipes selected by {settings.by} on {plan.cache.folder.name} "
        f"({plan.cache.identity[:12]}): macro F1 {honest} by {plan.fold_count} nested folds"
    )
    root = Vote(
        members=tuple(Leaf(name) for name, _ in taken), weights=tuple(float(count) for _, count in taken)
    )
    return Ensemble(name=settings.out.stem, about=about, views=settings.views, root=root)


def print_path(names: Sequence[str], whole: Selection, console: Console) -> None:
    """Print which recipe was added at each size, and what that gave on the photos it was selected on."""
    table = Table(title="selected on all photos", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("votes", "added", "macro F1", "log-loss", ""):
        table.add_column(name, justify="left" if name in ("added", "") else "right", no_wrap=True)
    before = np.zeros(len(names), np.int64)
    for place, counts in enumerate(whole.counts[: whole.best + 1]):
        told = "kept" if place == whole.best else "start, by own score" if place < whole.started else ""
        added = names[int((counts - before).argmax())]
        values = (f"{whole.macro_f1[place]:.4f}", f"{whole.log_loss[place]:.4f}")
        table.add_row(str(place + 1), added, *values, told)
        before = counts
    print_whole(table, console)


def print_scores(parts: Mapping[str, FloatArray], console: Console) -> None:
    """Print macro F1 of each way to answer; the first is what the others are compared with."""
    table = Table(title="out of fold", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "macro F1", "gain of the nested selection over it"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    honest, *_ = parts.values()
    for name, counts in parts.items():
        over = "" if counts is honest or name.endswith("apparent") else gain(honest, counts).signed
        table.add_row(name, str(estimate(counts)), over)
    print_whole(table, console)
    note = "nested: each fold answered by what was selected without it; the best single recipe was picked by "
    note += "these very scores, and apparent was selected on the photos that score it: both are flattered"
    console.print(note, highlight=False, soft_wrap=True, style="dim")
