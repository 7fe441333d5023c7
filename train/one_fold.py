"""One fold to be trained from Python, planned as `make train` plans it."""

from __future__ import annotations

from pathlib import Path

from faces.cache.reader import Cache
from faces.folds import FoldScheme
from train.assemble import FoldPlan
from train.data.tasks import fit_to_cache
from train.engine.compute import Compute
from train.network.kinds import check_codings
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe


def plan_fold(
    recipe: Path | Recipe,
    cache: Cache,
    fold: int,
    folder: Path,
    *,
    folds: int = 5,
    fold_seed: int = 0,
    scheme: FoldScheme = "person",
    compute: Compute = Compute(),
) -> FoldPlan:
    """Which fold of a recipe is trained on a cache, and where its files go.

    Args:
        recipe: its file, or one that `read_recipe` gave; `dataclasses.replace(recipe, epochs=3)` changes one.
            Tasks `["*"]` become a head for each labelled factor of the cache.
        cache: finished, with labels.
        fold: which of the folds validates and does not train, from 0 to `folds` - 1.
        folder: of the run, `runs/<recipe>/fold<k>` by custom: `make infer` and `make evaluate` search there.
        folds: parts that the people are dealt to, 2 or more.
        fold_seed: which of the many such divisions; the same for all runs that are to vote together.
        scheme: who validates, as `--fold-scheme` of `python -m train --help` says.
        compute: device and threads of the loader.

    Raises:
        ValueError: a recipe that cannot be read or does not fit the cache's labels, or a GPU was demanded and
            torch cannot use one.
    """
    source = recipe if isinstance(recipe, Path) else "recipe"
    fitted = fit_to_cache(read_recipe(recipe) if isinstance(recipe, Path) else recipe, cache, source)
    check_codings(fitted, cache.label_set, source)
    return FoldPlan(
        recipe=fitted,
        cache=cache,
        fold=fold,
        folds=folds,
        fold_seed=fold_seed,
        scheme=scheme,
        folder=folder,
        device=compute.chosen_device(),
        threads=compute.loader_threads(),
    )
