"""From a folder of runs to the ensemble that greedy selection makes of them, with its honest score."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache import Cache
from faces.intervals import estimate
from faces.labels import FloatArray, IntArray, covers_classes
from faces.terminal import step_progress, track
from infer.ensemble.file import write_ensemble
from infer.ensemble.tree import Ensemble, Leaf, Vote
from infer.ensemble.vote import Ballot
from infer.evaluate.panels import predict_out_of_fold
from infer.evaluate.scores import class_counts, numbered
from infer.predict.out_of_fold import plan_out_of_fold
from infer.tune.choices import Criterion
from infer.tune.fit import ballot_of
from infer.tune.greedy import weighted_vote
from infer.tune.nested import Selected, select_nested
from infer.tune.select_picture import draw_path
from infer.tune.select_table import print_path, print_scores
from train.engine.compute import PredictCompute


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


def select_ensemble(
    cache: Cache,
    *,
    runs: Path,
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
        by: what is improved.
        size: votes of the largest ensemble.
        views: views over which probabilities are averaged.
        out: the ensemble's file; the picture goes beside it.
        compute: where to predict what training has not stored.

    Raises:
        ValueError: as `library`, or only one fold is trained.
    """
    console = Console()
    names, notes = library(runs, cache)
    plan = plan_out_of_fold(names, runs, cache)
    panels = predict_out_of_fold(plan, views, compute, console)
    ballots = [ballot_of(Leaf(name), panels, "class18") for name in names]
    truth, person = plan.photos["class18"].to_numpy(np.int64), numbered(plan.photos["person"])
    with step_progress("selections", console=console, transient=True) as progress:
        bar = progress.add_task("selecting", total=plan.fold_count + 1)
        fold = plan.photos["fold"].to_numpy(np.int64)
        found = select_nested(ballots, truth, fold, by=by, size=size, advance=lambda: progress.advance(bar))
    parts = _compared(ballots, found, person, truth)
    print_path(names, found.whole, console)
    print_scores(parts, console)
    honest = estimate([parts["selected, nested folds"]])
    about = (
        f"{np.count_nonzero(found.whole.chosen)} of {len(names)} recipes selected by {by} on "
        f"{cache.folder.name} ({cache.identity[:12]}): macro F1 {honest} by "
        f"{plan.fold_count} nested folds"
    )
    root = _vote_tree(names, found.whole.chosen)
    write_ensemble(Ensemble(name=out.stem, about=about, views=tuple(views), root=root), out)
    picture = out.with_suffix(".png")
    draw_path(names, found, person, truth, parts, by, picture)
    for note in notes:
        console.print(note, highlight=False, soft_wrap=True, style="dim")
    console.print(f"written: {out}, picture: {picture}", highlight=False, soft_wrap=True)


def _compared(
    ballots: Sequence[Ballot], found: Selected, person: IntArray, truth: IntArray
) -> dict[str, FloatArray]:
    """Counts of the nested selection's answers and of what they are compared with, by name."""
    equal = np.ones(len(ballots), np.int64)
    answers = {
        "selected, nested folds": found.chosen,
        "best single recipe": ballots[found.whole.counts[0].argmax()].choices,
        "all recipes, equal weights": weighted_vote(ballots, equal, "soft").choices,
        "selected, apparent": weighted_vote(ballots, found.whole.chosen, "soft").choices,
    }
    return {name: class_counts(person, truth, choices) for name, choices in answers.items()}


def _vote_tree(names: Sequence[str], counts: IntArray) -> Vote:
    """A soft vote of recipes with their counts as weights; those with 0 are left out.

    Args:
        names: recipes.
        counts: [recipes] how often each is in.
    """
    taken = [(name, float(count)) for name, count in zip(names, counts, strict=True) if count]
    return Vote(members=tuple(Leaf(name) for name, _ in taken), weights=tuple(count for _, count in taken))
