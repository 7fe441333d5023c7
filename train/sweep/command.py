"""The command that searches fields of a recipe for the best scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from faces.cache.description import labels_of, read_description
from faces.cache.reader import Cache
from faces.command import run_command, to_table
from faces.files import exclusive
from faces.folds import FoldScheme, fold_numbers
from faces.labelling.kept import stored_labels
from train.data.tasks import fit_to_cache
from train.engine.compute import Compute
from train.recipe.file import read_recipe
from train.recipe.fit import check_fit
from train.recipe.recipe import Recipe
from train.sweep.fields import FIELDS
from train.sweep.file import Sweep, check_sweep, read_sweep


@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """Search fields of a recipe with Optuna, by the mean macro F1 of some folds.

    Trials are chosen by a tree-structured Parzen estimator, the first ten at random; one whose folds so far
    are below the median of the trials before it is given up. Run the same command again after an
    interruption: the interrupted trial is finished and the search goes on to the same trials.
    Writes runs/sweep_<name>/ with study.db, trial<n>/fold<k>/, sweep.png and best.toml, the best recipe. Its
    score is the best of many and so too good: train best.toml on all folds to know.

    Example: make sweep SWEEP=sweeps/small.toml CACHE=caches/mine
    """

    sweep: Path
    """Sweep file (TOML)."""
    cache: Path
    """Finished cache with labels."""
    folds: int = 5
    """Number of folds the people are divided into."""
    fold_scheme: FoldScheme = "person"
    """Who validates, as for `python -m train`."""
    fold_seed: int = 0
    """Which of the many such divisions."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    weights: Path | None = None
    """Name of known weights (face, efficientnet_lite0 to 2; fetched if need be) or local file, instead of the
    recipe's `weights` or `pretrained`: safetensors, what torch.save wrote (tables and prefixes around the
    weights are seen through), or a run's best.safetensors. Its classifier or heads are left; a line says what
    was taken."""
    compute: tyro.conf.OmitArgPrefixes[Compute] = Compute()


def run(settings: SweepSettings) -> None:
    """Check everything, search, and report.

    Raises:
        ValueError: a sweep file that does not fit recipe, labels or folds, or that has been changed since
            its search began.
    """
    sweep = read_sweep(settings.sweep)
    recipe = read_recipe(sweep.plan.recipe)
    labels = labels_of(read_description(settings.cache), settings.cache)
    check_sweep(sweep, recipe, lambda found: check_fit(found, labels), settings.sweep)
    numbers = fold_numbers(settings.fold_scheme, settings.folds)
    if settings.fold_scheme == "everything" or not set(sweep.plan.folds) <= set(numbers):
        raise ValueError(
            f"{settings.sweep}: folds={list(sweep.plan.folds)}: with --folds {settings.folds} and "
            f"--fold-scheme {settings.fold_scheme} they are numbered 0 to {numbers[-1]}, "
            "and somebody must validate"
        )
    cache = Cache.open(settings.cache)
    folder = settings.runs / f"sweep_{settings.sweep.stem}"
    with exclusive(folder, doing="searching in it"):
        _search(settings, sweep, recipe, cache, folder)


def _search(settings: SweepSettings, sweep: Sweep, recipe: Recipe, cache: Cache, folder: Path) -> None:
    # torch, timm and Optuna take seconds to import, which neither --help nor a mistake should wait for.
    from train.assemble import FoldPlan
    from train.fold import train_fold
    from train.network.kinds import codings_of
    from train.recipe.begun import recipe_as_begun
    from train.sweep.report import report
    from train.sweep.study import TrialWatch, open_study, run_trials

    trained = recipe
    if settings.weights is not None:
        trained = dataclasses.replace(recipe, weights=str(settings.weights), pretrained=False)

    trained = recipe_as_begun(trained, folder, "trial*/fold*")

    def fitted(found: Recipe) -> Recipe:
        return fit_to_cache(found, cache, settings.sweep)

    check_sweep(sweep, trained, lambda found: codings_of(fitted(found), cache.label_set), settings.sweep)
    device, threads = settings.compute.chosen_device(), settings.compute.loader_threads()
    study = open_study(folder, _request(settings, sweep, trained, cache))
    watch = TrialWatch()
    with watch:

        def score(number: int, values: Mapping[str, Any], fold: int) -> float:
            plan = FoldPlan(
                recipe=fitted(sweep.recipe(trained, values)),
                cache=cache,
                fold=fold,
                folds=settings.folds,
                fold_seed=settings.fold_seed,
                scheme=settings.fold_scheme,
                folder=folder / f"trial{number}" / f"fold{fold}",
                device=device,
                threads=threads,
            )
            watch.name = f"trial {number}, fold {fold}"
            found = train_fold(plan, watch)["macro_f1"]
            if math.isnan(found):
                raise ValueError(
                    f"{settings.sweep}: fold {fold} cannot score {', '.join(plan.recipe.tasks)}: no photo "
                    f"that validates is labelled for it; name other folds than {list(sweep.plan.folds)}"
                )
            return found

        run_trials(study, sweep, score, watch.say)
    report(study, sweep, recipe, folder, settings.sweep)


def _request(settings: SweepSettings, sweep: Sweep, recipe: Recipe, cache: Cache) -> dict[str, Any]:
    """All that the scores of trials depend on, and which trials are made."""
    labels = stored_labels(cache.label_set)
    return {
        "sweep": {
            FIELDS: {name: to_table(field) for name, field in sweep.fields.items()},
            "folds": list(sweep.plan.folds),
            "seed": sweep.plan.seed,
        },
        "recipe": {key: value for key, value in to_table(recipe).items() if key != "about"},
        "cache": cache.identity,
        "folds": settings.folds,
        "fold_scheme": settings.fold_scheme,
        "fold_seed": settings.fold_seed,
        **({"labels": labels["factors"]} if labels else {}),
    }


def main() -> None:
    """The command line."""
    run_command(SweepSettings, run)
