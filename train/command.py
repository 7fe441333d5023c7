"""The command that trains folds of a recipe."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from faces.command import run_command, typed
from faces.folds import FoldScheme, fold_numbers
from train.engine.card import NESTED
from train.engine.compute import Compute
from train.recipe.begin_with import beginning_of
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe

if TYPE_CHECKING:
    from faces.cache.reader import Cache
    from train.assemble import FoldPlan


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Train folds of a recipe on a cache of face crops.

    The recipe's tasks are told by the labels of the cache's photos; photos without some of them train and
    validate the other tasks. Photos of one person never stand on both sides of a fold, unless --fold-scheme
    is image; what people are labelled with is spread evenly over the folds.
    Run the same command again after an interruption: training goes on after the last batch that was saved, to
    the same bits.
    Each fold becomes runs/<recipe>/fold<k>/ with best.safetensors, metrics.csv, curves.png, oof.parquet and
    TensorBoard events.

    Example: make train FOLD=0 RECIPE=recipes/quick.toml CACHE=caches/mine, or make train-all for all folds
    """

    recipe: Path
    """Recipe file (TOML)."""
    cache: Path
    """Finished cache with labels."""
    fold: tuple[int, ...] = ()
    """Folds to train, numbered from 0; all of them when left out."""
    folds: int = 5
    """Number of folds the people are divided into."""
    fold_scheme: FoldScheme = "person"
    """Who validates.
    person: people are dealt to the folds, evenly over the values of their factors, such as age and gender.
    age_group: each age band alone is divided into equal parts of people, whatever their gender.
    holdout: one division, in which one in `folds` people validates: fold 0 of person, and no other.
    everything: nobody validates and all train, into the one fold 0: for the last model, after all choices.
    split: as the data came: the photos of train train, and those of val, or of test where there is no val,
    validate the one fold 0.
    split_folds: as the data came: fold k validates the photos of fold<k>.
    image: photos are dealt, so that people stand on both sides and scores are too good; `make leak-demo`
    shows by how much."""
    fold_seed: int = 0
    """Which of the many such divisions; keep it the same for all recipes that will vote together."""
    nested: bool = False
    """Train networks for `make tune` instead: one for each two folds, without the people of both, into
    runs/<recipe>/nested/fold<i>-<j>. Each photo is then answered by folds - 1 networks that never saw its
    person, as new photos are by all folds, and what is fitted on the vote of these fits votes. Of 5 folds
    these are 10 trainings on three fifths of the people each: once and a half the time of all folds, and
    twice their disk space."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    processes: int = 1
    """Processes of this machine that train one network together, each on a GPU or some cores of its own; they
    share each batch. Different folds can also be trained side by side, a command and a GPU each
    (CUDA_VISIBLE_DEVICES=1)."""
    max_restarts: int = 0
    """How often `processes` are begun again, from the last saved state, after one of them was killed or
    failed. On several machines torchrun is told so, see docs/cluster.md."""
    resume: bool = False
    """Insist that there is something to go on from: an error when the run was never begun. Without it the
    same command goes on too."""
    weights: Path | None = None
    """Name of known weights (face, efficientnet_lite0 to 2; fetched if need be) or local file, instead of the
    recipe's `weights` or `pretrained`, or of those of the recipe that it begins with: safetensors, what
    torch.save wrote (tables and prefixes around the weights are seen through), or a run's best.safetensors.
    Its classifier or heads are left; a line says what was taken."""
    compute: tyro.conf.OmitArgPrefixes[Compute] = Compute()
    on_damage: Literal["stop", "skip"] = "stop"
    """What a crop that does not decode does: stop names it and ends the training; skip trains and validates
    without it, and lists it in the fold's skipped.csv. All other photos keep their batches and draws."""
    log: tuple[Literal["wandb", "mlflow"], ...] = ()
    """Where to log beside TensorBoard; both work without a network, see docs/training.md."""
    checkpoint_minutes: float = 5.0
    """Minutes between two saves of the training state within an epoch, 0 for after every batch. It is also
    saved after every epoch. Changes no result."""

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise ValueError(f"processes={self.processes}: must be at least 1")
        if self.max_restarts < 0 or (self.max_restarts and self.processes == 1):
            raise ValueError(
                f"max_restarts={self.max_restarts}: must be 0 or more, and needs --processes 2 or more; "
                "one alone goes on when the same command is given again"
            )
        if not self.nested:
            return
        if self.fold:
            raise ValueError(f"fold={list(self.fold)}: --nested trains each two of the folds; leave fold out")
        if len(fold_numbers(self.fold_scheme, self.folds)) < 3 or self.fold_scheme == "image":
            raise ValueError(
                f"nested: fold_scheme={self.fold_scheme}, folds={self.folds}: each two folds are left out "
                "and the others train: use 3 folds or more of people"
            )


def run(settings: TrainSettings) -> None:
    """Train the folds asked for, then report on all folds that are there."""
    recipe = read_recipe(settings.recipe)
    first = beginning_of(recipe, settings.recipe)
    if settings.processes > 1 and "LOCAL_RANK" not in os.environ:
        from train.together import begin_processes

        begin_processes(settings.processes, recipe.batch_size, settings.compute.device, settings.max_restarts)
        return
    # pandas takes half a second to import, which --help should not wait for.
    from faces.cache.reader import Cache

    cache = _open_damaged(settings.cache) if settings.on_damage == "skip" else Cache.open(settings.cache)
    steps = [replace(settings, recipe=first), replace(settings, weights=None)] if first else [settings]
    recipes = [_fitted(step, cache) for step in steps]
    # torch and timm take seconds to import, which neither --help nor a mistake above should wait for.
    from train.all_folds import train_folds
    from train.network.kinds import check_codings

    for step, each in zip(steps, recipes, strict=True):
        check_codings(each, cache.label_set, step.recipe)
    for step, each in zip(steps, recipes, strict=True):
        plans = _plans(step, each, cache)
        train_folds(plans)
    plans[0].processes.leave()
    if plans[0].processes.first:
        for line in next_lines(settings):
            print(line)


def _fitted(settings: TrainSettings, cache: Cache) -> Recipe:
    """The recipe that is asked for, with the tasks that the cache's labels tell."""
    from train.data.tasks import fit_to_cache

    recipe = read_recipe(settings.recipe)
    if settings.weights is not None:
        recipe = replace(recipe, weights=str(settings.weights), pretrained=False)
    return fit_to_cache(recipe, cache, settings.recipe)


def next_lines(settings: TrainSettings) -> list[str]:
    """What to do with the folds that are trained; the ensemble that is called as the recipe votes on them."""
    named = Path("ensembles") / settings.recipe.name
    ensemble = f"ENSEMBLE={typed(named if named.is_file() else Path('ensembles/name.toml'))}"
    runs = "" if settings.runs == TrainSettings.runs else f" RUNS={typed(settings.runs)}"
    cache = f"CACHE={typed(settings.cache)}"
    if settings.nested:
        return [f"next: make tune {ensemble} {cache}{runs}"]
    lines = []
    if settings.fold_scheme != "everything":
        folder = typed(settings.runs / settings.recipe.stem)
        lines.append(f"how good it is, on one page: make report RUN={folder} {cache}")
    if named.is_file() and not settings.fold:
        lines.append(f"next: make infer {ensemble} CACHE=caches/name{runs}")
    return lines


def _plans(settings: TrainSettings, recipe: Recipe, cache: Cache) -> list[FoldPlan]:
    """A plan for each fold asked for, or for each two of them."""
    from train.assemble import FoldPlan
    from train.engine.processes import join_processes

    device = settings.compute.chosen_device()
    processes = join_processes(device)
    folder = settings.runs / settings.recipe.stem
    numbers = settings.fold or fold_numbers(settings.fold_scheme, settings.folds)
    left_out: Iterable[tuple[int, ...]] = ((fold,) for fold in numbers)
    if settings.nested:
        folder, left_out = folder / NESTED, itertools.combinations(numbers, 2)
    return [
        FoldPlan(
            recipe=recipe,
            cache=cache,
            fold=fold,
            folds=settings.folds,
            fold_seed=settings.fold_seed,
            scheme=settings.fold_scheme,
            also_out=tuple(others),
            folder=folder / f"fold{'-'.join(map(str, (fold, *others)))}",
            device=device,
            threads=settings.compute.loader_threads(),
            processes=processes,
            resume=settings.resume,
            trackers=settings.log,
            checkpoint_minutes=settings.checkpoint_minutes,
            on_damage=settings.on_damage,
        )
        for fold, *others in left_out
    ]


def _open_damaged(folder: Path) -> Cache:
    """Open a cache even where the content of shards is not what it was, and say so."""
    from pipeline.damage import open_despite_damage

    cache, differing = open_despite_damage(folder)
    if differing:
        print(
            f"warning: {folder}: {', '.join(differing)} differ from their recorded sha256; crops that do not "
            "decode are left out, but damage that still decodes cannot be told: preprocess again soon",
            file=sys.stderr,
        )
    return cache


def main() -> None:
    """`python -m train`."""
    run_command(TrainSettings, run)
