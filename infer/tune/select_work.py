"""From a folder of runs to the ensemble that greedy selection makes of them, with its honest score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache.reader import Cache
from faces.files import check_writable
from faces.intervals import estimate
from faces.labels import FloatArray, IntArray
from faces.projection import covers
from faces.terminal.progress import step_progress, track
from infer.ensemble.file import write_ensemble
from infer.ensemble.space import space_of
from infer.ensemble.tree import Ensemble, Leaf, Vote
from infer.ensemble.vote import Ballot
from infer.evaluate.panels import Scored, predict_out_of_fold, scored_in
from infer.predict.half_done import say_half_done
from infer.predict.others import check_fitted, fitted_on
from infer.predict.out_of_fold import plan_out_of_fold
from infer.tune.choices import Criterion
from infer.tune.greedy import weighted_vote
from infer.tune.nested import Selected, select_nested
from infer.tune.select_picture import draw_path
from infer.tune.select_table import print_path, print_scores
from train.engine.compute import PredictCompute


def library(runs: Path, cache: Cache, task: str = "") -> tuple[str, list[str], list[str]]:
    """The task to select for, the recipes that can be selected from, and a line on each that cannot.

    Args:
        runs: folder of the runs.
        cache: that they were trained on.
        task: to select for; left out, of those that the recipes vote on by themselves the one that tells most
            factors, of several the one that most recipes tell.

    Raises:
        ValueError: no recipe can, or the labels have no such task.
    """
    labels = cache.label_set
    if task:
        labels.task(task)  # refused before any run is read
    names = sorted({path.parents[1].name for path in runs.glob("*/fold*/best.safetensors")})
    heads: dict[str, tuple[str, ...]] = {}
    own: dict[str, str] = {}
    notes = []
    for name in track(names, "reading runs", "recipes", transient=True):
        try:
            plan = plan_out_of_fold([name], runs, cache)
            heads[name] = plan.runs[name][0].card.recipe.tasks
            own[name] = task or space_of(Ensemble(name=name, root=Leaf(name)), heads, labels)
        except ValueError as error:
            notes.append(f"{name}: left out: {error}")
    telling = {
        space: [name for name in own if covers(heads[name], space, labels)]
        for space in sorted({*own.values()})
    }
    space = max(telling, key=lambda each: (len(labels.task(each).factors), len(telling[each])), default=task)
    found = telling.get(space, [])
    notes += [
        f"{name}: left out: {', '.join(heads[name])} do not tell {space}" for name in own if name not in found
    ]
    if not found:
        raise ValueError(f"{runs}: no recipe to select from: {'; '.join(notes) or 'no trained fold there'}")
    return space, found, notes


def select_ensemble(
    cache: Cache,
    *,
    runs: Path,
    task: str,
    by: Criterion,
    size: int,
    views: Sequence[str],
    out: Path,
    compute: PredictCompute,
) -> None:
    """Select, print, draw and write.

    Args:
        cache: the cache that all recipes were trained on.
        runs: folder of the runs to select from.
        task: to select for; "" for what follows from the runs (`library`).
        by: what is improved.
        size: votes of the largest ensemble.
        views: views over which probabilities are averaged.
        out: the ensemble's file; the picture goes beside it.
        compute: where to predict what training has not stored.

    Raises:
        ValueError: as `library`, only one fold is trained, or `out` was fitted on another cache.
        OSError: not writable.
    """
    console = Console(markup=False)
    check_fitted(out, cache)
    space, names, notes = library(runs, cache, task)
    scored = scored_in(plan_out_of_fold(names, runs, cache), space)
    say_half_done(scored.plan.every_run, console, cache)
    check_writable(out.parent)
    panels = predict_out_of_fold(scored.plan, views, compute, console)
    ballots = [Ballot.of(scored.part(scored.vote(Leaf(name), panels)).probabilities) for name in names]
    fold = scored.plan.photos["fold"].to_numpy(np.int64)[scored.known]
    with step_progress("selections", console=console, transient=True) as progress:
        bar = progress.add_task("selecting", total=len(np.unique(fold)) + 1)
        found = select_nested(
            ballots, scored.truth, fold, by=by, size=size, advance=lambda: progress.advance(bar)
        )
    parts = _compared(ballots, found, scored)
    print_path(names, found.whole, console)
    print_scores(parts, console)
    honest = estimate([parts["selected, nested folds"]])
    about = (
        f"{np.count_nonzero(found.whole.chosen)} of {len(names)} recipes selected by {by} on "
        f"{fitted_on(cache)}: macro F1{scored.of_task} {honest} by "
        f"{len(found.folds)} nested folds"
    )
    root = _vote_tree(names, found.whole.chosen)
    made = Ensemble(name=out.stem, about=about, views=tuple(views), root=root)
    write_ensemble(scored.named(made), out)
    picture = out.with_suffix(".png")
    draw_path(names, found, scored, parts, by, picture)
    for note in filter(None, (*notes, scored.note)):
        console.print(note, highlight=False, soft_wrap=True, style="dim")
    console.print(f"written: {out}, picture: {picture}", highlight=False, soft_wrap=True)


def _compared(ballots: Sequence[Ballot], found: Selected, scored: Scored) -> dict[str, FloatArray]:
    """Counts of the nested selection's answers and of what they are compared with, by name."""
    equal = np.ones(len(ballots), np.int64)
    answers = {
        "selected, nested folds": found.chosen,
        "best single recipe": ballots[found.whole.counts[0].argmax()].choices,
        "all recipes, equal weights": weighted_vote(ballots, equal, "soft").choices,
        "selected, apparent": weighted_vote(ballots, found.whole.chosen, "soft").choices,
    }
    return {name: scored.counts(choices) for name, choices in answers.items()}


def _vote_tree(names: Sequence[str], counts: IntArray) -> Vote:
    """A soft vote of recipes with their counts as weights; those with 0 are left out.

    Args:
        names: recipes.
        counts: [recipes] how often each is in.
    """
    taken = [(name, float(count)) for name, count in zip(names, counts, strict=True) if count]
    return Vote(members=tuple(Leaf(name) for name, _ in taken), weights=tuple(count for _, count in taken))
