"""From runs and a cache to the shares of face, hair, collar and wall in where their heads look."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from faces.cache.reader import Cache
from faces.sample.note import drawn_note
from faces.terminal.output import print_whole
from faces.terminal.progress import photo_progress
from infer.ensemble.tree import Ensemble, recipes_of
from infer.explain.network import load_trained
from infer.explain.shares import PASSES, HeadShares, draw_sample, shares_of
from infer.explain.shares_picture import draw_shares
from infer.explain.shares_table import shares_table
from infer.predict.out_of_fold import plan_out_of_fold


def face_shares(ensemble: Ensemble, cache: Cache, *, runs: Path, people: int, out: Path) -> list[HeadShares]:
    """Look at some photos with every head, print a table and draw a picture.

    Args:
        ensemble: whose recipes are looked at, one by one.
        cache: on which their runs were trained.
        runs: folder of all runs.
        people: at most so many, one photo each.
        out: PNG file.

    Raises:
        ValueError: folds that are not trained, another cache than theirs, no photo with an upright face, or a
            backbone that keeps no map of places.
        OSError: the picture cannot be written.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    recipes = recipes_of(ensemble.root)
    plan = plan_out_of_fold(recipes, runs, cache)
    sample = draw_sample(plan, people)
    found: list[HeadShares] = []
    with photo_progress(console=console) as progress:
        for recipe in recipes:
            heads = len(load_trained(plan.runs[recipe][0].path).tasks)
            bar = progress.add_task(recipe, total=PASSES * heads * len(sample.rows))
            found += shares_of(plan, recipe, sample, lambda done, bar=bar: progress.advance(bar, done))  # type: ignore[misc]
    print_whole(shares_table(found, len(sample.rows), matted=sample.matted), console)
    draw_shares(found, sample, out)
    if note := drawn_note(any(run.card.drawn for run in plan.every_run)):
        console.print(note)
    console.print(f"picture: {out}")
    return found
