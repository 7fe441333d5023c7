"""What folds of photos and folds of people promise, and what their models keep on people in neither."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from faces.cache import Cache
from faces.folds import FoldScheme, fold_of_rows
from faces.labels import UNKNOWN, IntArray
from faces.writer import write_atomically
from pipeline.loader import Loader
from train.assemble import FoldPlan
from train.data.rows import fold_rows
from train.engine.checkpoint import load_best
from train.engine.precision import make_fabric
from train.engine.predict import predict_heads
from train.engine.watch import BarWatch, Watch
from train.fold import train_fold
from train.network.codings import codings_of
from train.recipe.recipe import Recipe
from train.results.head_scores import score_heads

SCHEMES: tuple[FoldScheme, ...] = ("image", "person")
PROMISED, KEPT = "promised", "kept"
SCORED_ON = {PROMISED: "validation", KEPT: "unseen"}
SCORES = ("macro_f1", "accuracy", "mask", "gender", "age")
COUNTS = ("people", "both_sides")

Means = dict[tuple[str, str], dict[str, float]]
"""`COUNTS` and `SCORES` by scheme and `PROMISED` or `KEPT`."""


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What is trained with both schemes, and where."""

    name: str
    """Name of the recipe, for titles."""
    recipe: Recipe
    """A recipe whose tasks say the 18 classes."""
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


def demonstrate(demonstration: Demonstration) -> Means:
    """Train both schemes, print what each promised and kept, and draw it.

    Writes leak.csv and leak.png beside the runs of each scheme.

    Returns:
        Means over the folds; `both_sides` counts those of the `people` scored who also trained.

    Raises:
        ValueError: recipe and people do not allow the folds, or the folder holds runs of something else.
    """
    apart = rows_apart(demonstration.cache, demonstration.apart, demonstration.fold_seed)
    folder = demonstration.folder
    with BarWatch() as watch:
        table = pd.DataFrame(
            [
                {"scheme": scheme, "fold": fold, "score": score, **values}
                for scheme in SCHEMES
                for fold in demonstration.trained
                for score, values in fold_scores(demonstration, scheme, fold, apart, watch).items()
            ]
        )
    write_atomically(folder / "leak.csv", table.to_csv(index=False).encode())
    means: Means = {}
    for scheme in SCHEMES:
        for score in SCORED_ON:
            rows = table[(table.scheme == scheme) & (table.score == score)]
            means[scheme, score] = {name: float(rows[name].mean()) for name in (*COUNTS, *SCORES)}
    console = Console()
    console.print(scores_table(means, f"{demonstration.title}: best epochs by validation macro F1"))
    console.print(verdict(means), highlight=False, soft_wrap=True)
    draw_leak(means, demonstration.title, folder / "leak.png")
    console.print(f"picture: {folder / 'leak.png'}", highlight=False, soft_wrap=True)
    return means


def rows_apart(cache: Cache, parts: int, seed: int) -> IntArray:
    """Rows of one in `parts` labelled people, evenly over age bands and genders."""
    classes = cache.labels("class18")
    labelled = np.flatnonzero(classes != UNKNOWN)
    names = cache.columns("key", "person").iloc[labelled]
    fold_of = fold_of_rows(
        "holdout",
        keys=names["key"],
        persons=names["person"],
        classes=classes[labelled],
        folds=parts,
        seed=seed,
    )
    return np.asarray(labelled[fold_of == 0])


def fold_scores(
    demonstration: Demonstration, scheme: FoldScheme, fold: int, apart: IntArray, watch: Watch
) -> dict[str, dict[str, float]]:
    """Train one fold of one scheme without the people apart: `COUNTS` and `SCORES`, promised and kept."""
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
    watch.say(f"folds by {scheme}, {len(rows.training)} training photos:")
    plan = FoldPlan(
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
    scores = {PROMISED: train_fold(plan, watch), KEPT: score_best(plan, apart)}
    persons = cache.columns("person")["person"].to_numpy()
    trained = {*persons[rows.training]}
    scored = {PROMISED: {*persons[rows.validation]}, KEPT: {*persons[apart]}}
    assert not scored[KEPT] & (trained | scored[PROMISED])
    return {
        name: {
            "people": len(scored[name]),
            "both_sides": len(scored[name] & trained),
            **{score: values[score] for score in SCORES},
        }
        for name, values in scores.items()
    }


def score_best(plan: FoldPlan, rows: IntArray) -> dict[str, float]:
    """Scores of a trained fold's best epoch on rows of its cache."""
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
    known = plan.cache.columns("mask", "gender", "age").iloc[rows]
    return score_heads(known, predict_heads(model, loader, codings_of(card.recipe)))


def scores_table(means: Means, title: str) -> Table:
    """The scores of both schemes, promised and kept."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False)
    for name in ("folds by", "scored"):
        table.add_column(name)
    for name in ("people", "seen", *SCORES):
        table.add_column(name.replace("_", " "), justify="right")
    for (scheme, score), values in means.items():
        counts = (f"{values[name]:.0f}" for name in COUNTS)
        table.add_row(scheme, SCORED_ON[score], *counts, *(f"{values[name]:.3f}" for name in SCORES))
    return table


def verdict(means: Means) -> str:
    """What both schemes promised too much, in a line each."""
    (promised, kept), (fair, borne) = (
        [means[scheme, score]["macro_f1"] for score in (PROMISED, KEPT)] for scheme in SCHEMES
    )
    return (
        f"random-image folds promise {promised - kept:.3f} more macro F1 than people unseen in training bear "
        f"out ({promised:.3f} promised, {kept:.3f} kept)\n"
        f"folds of people promise {fair - borne:.3f} more ({fair:.3f} promised, {borne:.3f} kept)"
    )


def draw_leak(means: Means, title: str, path: Path) -> None:
    """Two bars a scheme: the macro F1 it promised and the one it kept."""
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(SCHEMES))
    for shift, score, colour in ((-0.2, PROMISED, "tab:orange"), (0.2, KEPT, "tab:blue")):
        values = [means[scheme, score]["macro_f1"] for scheme in SCHEMES]
        label = f"{score}: on {SCORED_ON[score]} people"
        axes.bar_label(
            axes.bar(places + shift, values, 0.38, color=colour, label=label), fmt="%.3f", padding=2
        )
    names = []
    for scheme in SCHEMES:
        people, both = (f"{means[scheme, PROMISED][name]:.0f}" for name in COUNTS)
        names.append(f"folds by {scheme}: of {people} people\nwho validate, {both} train too")
    axes.set_xticks(places, names)
    axes.set(ylabel="macro F1 over the 18 classes", ylim=(0, 1.2), title=title)
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=120)
