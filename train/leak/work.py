"""What folds of photos and folds of people promise, and what their models keep on people in neither."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache.reader import Cache
from faces.files import write_atomically
from faces.folds import FoldScheme
from faces.labels import IntArray
from faces.projection import covers
from pipeline.loader import Loader
from train.assemble import FoldPlan
from train.data.dealing import divide_rows
from train.data.rows import fold_rows
from train.engine.checkpoint import load_best
from train.engine.finite import way_out
from train.engine.precision import make_fabric
from train.engine.validation import predict_heads
from train.engine.watch import BarWatch, Watch
from train.fold import train_ready
from train.leak.report import (
    KEPT,
    PROMISED,
    SCHEMES,
    SCORED_ON,
    Means,
    draw_leak,
    scores_table,
    verdict,
)
from train.network.kinds import codings_of
from train.ready import ReadyFold, ready_folds
from train.recipe.ending import epochs_kept
from train.recipe.recipe import Recipe
from train.results.head_scores import score_heads
from train.results.report import group_of


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What is trained with both schemes, and where."""

    name: str
    """Name of the recipe, for titles."""
    recipe: Recipe
    """A recipe that fits the cache's labels."""
    cache: Cache
    """A cache with labels."""
    trained: tuple[int, ...]
    """Folds to train of each scheme, at least one; scores are means over them."""
    folds: int
    """Number of folds that the people, and the photos, not kept apart are divided into."""
    fold_seed: int
    """Which of the many such divisions."""
    apart: int
    """One in so many people is kept apart, at least 2."""
    folder: Path
    """Folder of the runs."""
    device: Literal["cpu", "cuda"]
    threads: int
    """Threads of the loader."""

    @property
    def title(self) -> str:
        """Recipe, epochs, cache and folds in one line."""
        folds = f"fold {', '.join(map(str, self.trained))} of {self.folds}"
        return f"{self.name}, {self.recipe.epochs} epochs, {self.cache.folder}, {folds}"

    @property
    def scored(self) -> str:
        """What macro F1 is over: `the 18 classes`, or the heads."""
        labels, tasks = self.cache.label_set, self.recipe.tasks
        if labels.headline and covers(tasks, labels.headline, labels):
            return f"the {len(labels.task(labels.headline).classes)} classes"
        return f"the classes of {', '.join(tasks)}"


def demonstrate(demonstration: Demonstration) -> Means:
    """Train both schemes, print what each promised and kept, and draw it.

    Writes leak.csv and leak.png beside the runs of each scheme.

    Returns:
        Means over the folds; `both_sides` counts those of the `people` scored who also trained.

    Raises:
        ValueError: recipe and people do not allow the folds, nobody on a side is labelled for what is scored,
            or the folder holds runs of something else.
    """
    cache = demonstration.cache
    apart = rows_apart(cache, demonstration.apart, demonstration.fold_seed)
    folder = demonstration.folder
    plans = [plan_fold(demonstration, scheme, k, apart) for scheme in SCHEMES for k in demonstration.trained]
    ready = ready_folds(plans)
    with BarWatch() as watch:
        table = pd.DataFrame(
            [
                {"scheme": fold.plan.scheme, "fold": fold.plan.fold, "score": score, **values}
                for fold in ready
                for score, values in fold_scores(fold, apart, watch).items()
            ]
        )
    write_atomically(folder / "leak.csv", table.to_csv(index=False).encode())
    means: Means = {}
    for scheme in SCHEMES:
        for score in SCORED_ON:
            rows = table[(table.scheme == scheme) & (table.score == score)]
            numbers = rows.drop(columns=["scheme", "fold", "score"])
            means[scheme, score] = {str(name): float(numbers[name].mean()) for name in numbers}
    console = Console(markup=False)
    console.print(scores_table(means, f"{demonstration.title}: {epochs_kept(demonstration.recipe)}"))
    console.print(verdict(means), highlight=False, soft_wrap=True)
    draw_leak(means, demonstration.title, demonstration.scored, folder / "leak.png")
    console.print(f"picture: {folder / 'leak.png'}", highlight=False, soft_wrap=True)
    return means


def rows_apart(cache: Cache, parts: int, seed: int) -> IntArray:
    """Rows of one in `parts` people of whom any label is known, spread evenly as people are over folds."""
    labels = cache.label_set
    labelled = np.flatnonzero(np.any([cache.known(name) for name in labels.names], axis=0))
    division = divide_rows(cache, labelled, "holdout", parts, seed)
    return np.asarray(labelled[division.fold == 0])


def plan_fold(demonstration: Demonstration, scheme: FoldScheme, fold: int, apart: IntArray) -> FoldPlan:
    """What trains one fold of one scheme, with rows that leave out the people apart."""
    recipe, cache = demonstration.recipe, demonstration.cache
    rows = fold_rows(
        cache,
        recipe.tasks,
        fold=fold,
        folds=demonstration.folds,
        seed=demonstration.fold_seed,
        scheme=scheme,
        rows=recipe.rows,
        senior_from=recipe.age.senior_from,
        without=apart,
    )
    return FoldPlan(
        recipe=recipe,
        cache=cache,
        fold=fold,
        folds=demonstration.folds,
        fold_seed=demonstration.fold_seed,
        scheme=scheme,
        rows=rows,
        folder=demonstration.folder / scheme / f"fold{fold}",
        device=demonstration.device,
        threads=demonstration.threads,
    )


def fold_scores(ready: ReadyFold, apart: IntArray, watch: Watch) -> dict[str, dict[str, float]]:
    """Train one fold of one scheme without the people apart: `COUNTS` and main scores, promised and kept."""
    plan, rows = ready.plan, ready.rows
    scheme, tasks = plan.scheme, plan.recipe.tasks
    watch.say(f"folds by {scheme}, {len(rows.training)} training photos:")
    scores = {PROMISED: train_ready(ready, watch), KEPT: score_best(plan, apart)}
    persons = plan.cache.columns("person")["person"].to_numpy()
    trained = {*persons[rows.training]}
    scored = {PROMISED: {*persons[rows.validation]}, KEPT: {*persons[apart]}}
    assert not scored[KEPT] & (trained | scored[PROMISED])
    if silent := [SCORED_ON[name] for name in scores if math.isnan(scores[name]["macro_f1"])]:
        raise ValueError(
            f"folds by {scheme}: no photo of the {silent[0]} people is labelled for "
            f"{', '.join(tasks)}; choose another fold_seed, or fewer folds and parts apart"
        )
    return {
        name: {
            "people": len(scored[name]),
            "both_sides": len(scored[name] & trained),
            **{key: values[key] for key in values if key != "epoch" and group_of(key) == "score"},
        }
        for name, values in scores.items()
    }


def score_best(plan: FoldPlan, rows: IntArray) -> dict[str, float]:
    """Scores of the epoch kept of a trained fold on rows of its cache."""
    network, card = load_best(plan.folder / "best.safetensors")
    loader = Loader(
        plan.cache,
        rows,
        batch_size=card.recipe.batch_size,
        image_size=card.recipe.image_size,
        centre=card.recipe.centre,
        layout="channels_last",
        mean=card.normalisation.mean,
        std=card.normalisation.std,
        device="gpu" if plan.device == "cuda" else "cpu",
        threads=plan.threads,
    )
    model = make_fabric(card.recipe.precision, plan.device).setup(network)
    labels, photos = plan.cache.label_set, plan.cache.photos().iloc[rows]
    answers = predict_heads(
        model, loader, codings_of(card.recipe, labels), where=str(plan.folder), cure=way_out(plan.folder)
    )
    return score_heads(photos, answers, labels)
