"""From a plan to all the moving parts of a fold's training, freshly initialised from recipe seed and fold."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from faces.cache.reader import Cache
from faces.folds import FoldScheme
from pipeline.loader import Loader, OnDamage
from train.beginning import begin, run_begun_with
from train.data.mixing import rare_photos
from train.data.rows import FoldRows
from train.data.sampler import fold_sampler
from train.descent.averaging import WeightAverage
from train.descent.first_layers import freeze_first
from train.descent.optimiser import make_optimiser
from train.descent.schedule import make_schedule, plateau_falls
from train.engine.card import NESTED
from train.engine.features import FEATURES, FrozenFeatures
from train.engine.loop import FoldTraining
from train.engine.precision import compile_network, make_fabric
from train.engine.processes import Processes
from train.engine.step import Step
from train.engine.validation import ValidationLoss
from train.engine.whole import WholeFit
from train.first_statistics import unfold
from train.network.kinds import codings_of
from train.network.lone import lone_norm
from train.network.model import Network, build_model, normalisation
from train.network.objective import objective_of
from train.network.targets import labels_alone, make_targets, number_variance
from train.recipe.ending import VALIDATION_LOSS
from train.recipe.recipe import Recipe
from train.results.head_scores import score_heads
from train.results.trackers import TrackerName


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """Which fold of which recipe, on which cache, trained where."""

    recipe: Recipe
    cache: Cache
    fold: int
    folds: int
    fold_seed: int
    scheme: FoldScheme = "person"
    """How people are divided into folds."""
    also_out: tuple[int, ...] = ()
    """Other folds, whose people do not train either, but validate."""
    rows: FoldRows | None = None
    """Which rows train and validate, instead of the scheme's."""
    folder: Path
    device: str
    """`cpu` or `cuda`."""
    threads: int
    """Threads of the loader."""
    processes: Processes = Processes()
    """This process among those that train the fold together."""
    resume: bool = False
    """Whether it is an error that there is nothing to go on from."""
    on_damage: OnDamage = "stop"
    """What crops that do not decode do: end the training, or be left out and noted in skipped.csv."""
    checkpoint_minutes: float = 5.0
    """Wall time between two saves of the training state in mid-epoch; 0 is after every batch."""
    trackers: tuple[TrackerName, ...] = ()
    """What logs the run beside TensorBoard."""

    @property
    def left_out(self) -> str:
        """Numbers of the folds whose people do not train, as they are said: 0, or 0-1 of two."""
        return "-".join(map(str, (self.fold, *self.also_out)))

    @property
    def beginning(self) -> Path | None:
        """best.safetensors of the run that a recipe with `begin_with` begins with."""
        return run_begun_with(self.recipe.begin_with, self.folder) if self.recipe.begin_with else None

    @property
    def seed(self) -> int:
        """Seed of all that is random in this fold."""
        return int(np.random.SeedSequence([self.recipe.seed, self.fold, *self.also_out]).generate_state(1)[0])


def assemble(plan: FoldPlan, rows: FoldRows) -> FoldTraining:
    """Network, optimiser, schedule and loaders of a fold.

    Raises:
        ValueError: the recipe does not fit the data, the machine or the number of processes.
    """
    recipe, labels = plan.recipe, plan.cache.label_set
    torch.manual_seed(plan.seed)
    network = build_model(recipe, labels)
    if plan.beginning:
        begin(network, recipe, plan.beginning)
    network = network.to(memory_format=torch.channels_last)
    unfold(network, recipe, plan.cache, rows.training, plan.threads)
    network.still = freeze_first(network.backbone, recipe.optimiser.frozen_layers)
    training, validation = _loaders(plan, rows, network)
    optimiser = make_optimiser(network, recipe.optimiser)
    history: list[dict[str, float]] = []
    schedule = _schedule(recipe, optimiser, len(training), history)
    step = _step(plan, rows, network, optimiser, schedule, training)
    validated = plan.cache.photos().iloc[rows.validation]
    return FoldTraining(
        folder=plan.folder,
        recipe=recipe,
        cache=plan.cache,
        rows=rows,
        fabric=step.fabric,
        processes=plan.processes,
        network=network,
        normalisation=normalisation(network, recipe),
        codings=codings_of(recipe, labels),
        optimiser=optimiser,
        schedule=schedule,
        average=step.average,
        step=step,
        training=training,
        validation=validation,
        score=lambda predictions: score_heads(validated, predictions, labels),
        validation_loss=ValidationLoss(
            objective=step.objective,
            targets=labels_alone(recipe, plan.cache, rows.training, step.targets),
            epoch=recipe.epochs - 1,
            processes=plan.processes,
        ),
        whole=_whole(plan, rows, network, step),
        least=_least(plan),
        history=history,
    )


def _step(
    plan: FoldPlan,
    rows: FoldRows,
    network: Network,
    optimiser: Optimizer,
    schedule: LambdaLR,
    training: Loader,
) -> Step:
    """What trains a batch, on the device and in the arithmetic of the plan; its heads know their labels."""
    recipe, labels = plan.recipe, plan.cache.label_set
    partly = recipe.optimiser.frozen_epochs > 0
    fabric = make_fabric(recipe.precision, plan.device, processes=plan.processes, partly=partly)
    targets = make_targets(recipe, plan.cache, rows.training)
    variance = number_variance(recipe, plan.cache, rows.training)
    for task, coding in codings_of(recipe, labels).items():
        coding.prepare(network.heads.layer(task), targets[task][rows.training])
    taught = {name: values[rows.training] for name, values in targets.items()}
    model, wrapped = fabric.setup(compile_network(network) if recipe.compile else network, optimiser)
    return Step(
        recipe=recipe,
        fabric=fabric,
        processes=plan.processes,
        network=network,
        model=model,
        optimiser=wrapped,
        schedule=schedule,
        objective=objective_of(recipe, labels, taught, variance).to(fabric.device),
        targets={name: torch.from_numpy(values).to(fabric.device) for name, values in targets.items()},
        rare=rare_photos(plan.cache, rows.training, recipe.tasks),
        average=WeightAverage(recipe.averaging, network),
        seed=training.seed,
        batches=len(training),
    )


def _least(plan: FoldPlan) -> int:
    """`FoldTraining.least`."""
    recipe = plan.recipe
    trained = plan.on_damage == "skip" and recipe.optimiser.frozen_epochs < recipe.epochs
    return 2 if trained and lone_norm(recipe.backbone, recipe.image_size) else 1


def _schedule(
    recipe: Recipe, optimiser: Optimizer, batches: int, history: list[dict[str, float]]
) -> LambdaLR:
    """The schedule in optimiser steps; plateau reads the scores in `history`, as it is at the time."""
    return make_schedule(
        optimiser,
        recipe.schedule,
        steps_per_epoch=-(-batches // recipe.optimiser.accumulate),
        epochs=recipe.epochs,
        falls=lambda: _falls(recipe, history),
    )


def _falls(recipe: Recipe, history: Sequence[Mapping[str, float]]) -> int:
    if recipe.best_by == "loss":
        return plateau_falls(recipe.schedule, [row[VALIDATION_LOSS] for row in history], "min")
    return plateau_falls(recipe.schedule, [row["macro_f1"] for row in history])


def _loaders(plan: FoldPlan, rows: FoldRows, network: Network) -> tuple[Loader, Loader | None]:
    """The training and the validation loader; none of the latter where nobody validates."""
    settings, recipe = _settings(plan, network), plan.recipe
    training = Loader(
        plan.cache,
        rows.training,
        policy=recipe.policy,
        seed=plan.seed,
        sampler=fold_sampler(recipe, plan.cache, rows.training),
        on_damage=plan.on_damage,
        **settings,
    )
    return training, Loader(plan.cache, rows.validation, **settings) if len(rows.validation) else None


def _settings(plan: FoldPlan, network: Network) -> dict[str, Any]:
    """How all loaders of a fold show their photos."""
    recipe, processes, scaling = plan.recipe, plan.processes, normalisation(network, plan.recipe)
    return {
        "batch_size": processes.share(recipe.batch_size),
        "image_size": recipe.image_size,
        "centre": recipe.centre,
        "layout": "channels_last",
        "mean": scaling.mean,
        "std": scaling.std,
        "device": "gpu" if plan.device == "cuda" else "cpu",
        "threads": plan.threads,
        "rank": processes.rank,
        "world": processes.world,
    }


def _whole(plan: FoldPlan, rows: FoldRows, network: Network, step: Step) -> WholeFit | None:
    """What fits the heads to all photos at once, where the recipe's optimiser is of that kind."""
    if plan.recipe.optimiser.name != "lbfgs":
        return None
    settings, recipe = _settings(plan, network), plan.folder.parent
    recipe = recipe.parent if recipe.name == NESTED else recipe
    seen = {name: value for name, value in settings.items() if name not in ("batch_size", "threads")}
    features = FrozenFeatures(
        network=network,
        fabric=step.fabric,
        load=lambda chosen: Loader(plan.cache, chosen, **settings),
        folder=recipe.parent / FEATURES,
        source=repr((plan.cache.identity, network.stages, plan.recipe.precision, sorted(seen.items()))),
    )
    return WholeFit(
        heads=network.heads,
        objective=step.objective,
        targets=step.targets,
        features=features,
        rows=rows,
        decay=plan.recipe.optimiser.weight_decay,
    )
