"""One run on disk: begin or resume it, train it to the end, keep its best epoch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.utils.tensorboard import SummaryWriter

from faces.cache import Cache
from faces.labels import TASKS, FloatArray
from faces.settings import read_toml, to_table, write_toml
from faces.writer import write_atomically
from pipeline.loader import Loader, OnDamage
from train.checkpoint import RunCard, StateFile, load_state, save_best
from train.damage import DamageNotes, without_damaged
from train.data import FoldRows, fold_rows
from train.loop import FoldTraining
from train.model import build_model, normalisation
from train.precision import make_fabric, measure_precisions
from train.recipe import Recipe
from train.sampler import fold_sampler
from train.schedule import make_optimiser, make_schedule
from train.watch import Watch


@dataclasses.dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """Which fold of which recipe, on which cache, trained where."""

    recipe: Recipe
    cache: Cache
    fold: int
    folds: int
    fold_seed: int
    folder: Path
    device: str
    """`cpu` or `cuda`."""
    threads: int
    """Threads of the loader."""
    on_damage: OnDamage = "stop"
    """What crops that do not decode do: end the training, or be left out and noted in skipped.csv."""
    checkpoint_minutes: float = 5.0
    """Wall time between two saves of the training state in mid-epoch; 0 is after every batch."""


def train_fold(plan: FoldPlan, watch: Watch) -> dict[str, float]:
    """Train a fold to its last epoch, going on from its last saved state if there is one.

    Writes recipe.toml, best.safetensors, oof.parquet, metrics.csv, TensorBoard events and last.pt into the
    run's folder. At an epoch's end last.pt comes after all others: a kill in between goes on from the state
    before it and rewrites the same.

    Args:
        plan: what to train.
        watch: told of every step and epoch.

    Returns:
        The best epoch's row of metrics.csv.

    Raises:
        ValueError: the folder holds a run of something else, the recipe does not fit data or machine, the
            loss is not finite, or last.pt is damaged.
    """
    rows = fold_rows(
        plan.cache,
        plan.recipe.tasks,
        fold=plan.fold,
        folds=plan.folds,
        seed=plan.fold_seed,
        rows=plan.recipe.rows,
    )
    plan = adopt_folder(plan, watch)
    notes = DamageNotes(plan.folder, plan.cache, watch)
    if plan.on_damage == "skip":
        rows = without_damaged(plan.cache, rows, plan.recipe.image_size, notes)
    training = assemble(plan, rows)
    file = StateFile(plan.folder / "last.pt", plan.checkpoint_minutes)
    state = load_state(file.path)
    if state is not None:
        training.restore(state)
        if training.epoch < plan.recipe.epochs:
            watch.say(
                f"fold {plan.fold}: resuming in epoch {training.epoch + 1} of {plan.recipe.epochs}, "
                f"after {training.part.next_batch} of its {len(training.training)} batches"
            )
    watch.begin(f"fold {plan.fold}", training.photos_an_epoch * plan.recipe.epochs, training.photos_done)
    if training.epoch == plan.recipe.epochs:
        return training.best
    with SummaryWriter(plan.folder / "events", purge_step=training.epoch) as events:
        while training.epoch < plan.recipe.epochs:
            predictions = training.run_epoch(watch, file)
            notes.add("training", training.training.skipped)
            _keep_epoch(plan, training, predictions, events)
            file.save(training.state())
            row = training.history[-1]
            watch.scored(f"fold {plan.fold}", plan.recipe.epochs, row, row is training.best)
    return training.best


def adopt_folder(plan: FoldPlan, watch: Watch) -> FoldPlan:
    """Begin the run's folder or check that it holds this very run; the plan with its precision resolved."""
    asked = {
        "recipe": to_table(plan.recipe),
        "cache": plan.cache.identity,
        "fold": plan.fold,
        "folds": plan.folds,
        "fold_seed": plan.fold_seed,
    }
    request = plan.folder / "request.json"
    resolved = plan.folder / "recipe.toml"
    if request.is_file() and resolved.is_file():
        _check_same(json.loads(request.read_text()), asked, plan.folder)
        return dataclasses.replace(plan, recipe=read_toml(Recipe, resolved))
    plan.folder.mkdir(parents=True, exist_ok=True)
    recipe = resolve_precision(plan, watch)
    write_toml(recipe, resolved)
    write_atomically(request, json.dumps(asked, indent=1).encode())
    return dataclasses.replace(plan, recipe=recipe)


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _check_same(found: dict[str, Any], asked: dict[str, Any], folder: Path) -> None:
    before, now = _flat(found), _flat(asked)
    differing = [
        f"{key}: {before.get(key)!r} there, {now.get(key)!r} now"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and key != "recipe.about"
    ]
    if differing:
        raise ValueError(
            f"{folder}: holds a run of something else ({'; '.join(differing)}); "
            "rename the recipe, choose another RUNS folder, or delete this run"
        )


def resolve_precision(plan: FoldPlan, watch: Watch) -> Recipe:
    """The recipe with `auto` replaced by what trains fastest on this device."""
    recipe = plan.recipe
    if recipe.precision != "auto":
        return recipe
    network = build_model(recipe, initialise=False)
    rates = measure_precisions(network, recipe.batch_size, recipe.image_size, plan.device)
    fastest = max(rates, key=lambda precision: rates[precision])
    measured = ", ".join(f"{precision} {rate:,.0f}" for precision, rate in rates.items())
    watch.say(f"fold {plan.fold}: precision auto measured {measured} training images/s: {fastest}")
    return dataclasses.replace(recipe, precision=fastest)


def assemble(plan: FoldPlan, rows: FoldRows) -> FoldTraining:
    """Network, optimiser, schedule and loaders of a fold, freshly initialised from recipe seed and fold."""
    recipe = plan.recipe
    seed = int(np.random.SeedSequence([recipe.seed, plan.fold]).generate_state(1)[0])
    torch.manual_seed(seed)
    network = build_model(recipe)
    scaling = normalisation(network)
    network = network.to(memory_format=torch.channels_last)
    shared: dict[str, Any] = {
        "batch_size": recipe.batch_size,
        "image_size": recipe.image_size,
        "centre": recipe.centre,
        "layout": "channels_last",
        "mean": scaling.mean,
        "std": scaling.std,
        "device": "gpu" if plan.device == "cuda" else "cpu",
        "threads": plan.threads,
    }
    sampler = fold_sampler(recipe, plan.cache, rows.training)
    training = Loader(
        plan.cache,
        rows.training,
        policy=recipe.augment,
        seed=seed,
        sampler=sampler,
        on_damage=plan.on_damage,
        **shared,
    )
    optimiser = make_optimiser(network, recipe.optimiser)
    return FoldTraining(
        recipe=recipe,
        cache=plan.cache,
        rows=rows,
        fabric=make_fabric(recipe.precision, plan.device),
        network=network,
        normalisation=scaling,
        optimiser=optimiser,
        schedule=make_schedule(
            optimiser, recipe.schedule, steps_per_epoch=len(training), epochs=recipe.epochs
        ),
        training=training,
        validation=Loader(plan.cache, rows.validation, **shared),
    )


def _keep_epoch(
    plan: FoldPlan, training: FoldTraining, predictions: dict[str, FloatArray], events: SummaryWriter
) -> None:
    row = training.history[-1]
    if training.best is row:
        card = RunCard(
            recipe=plan.recipe,
            normalisation=training.normalisation,
            classes={task: TASKS[task].classes for task in plan.recipe.tasks},
            fold=plan.fold,
            folds=plan.folds,
            epoch=int(row["epoch"]),
            score=row["macro_f1"],
            crop=plan.cache.description["settings"],
            prior=training.rows.prior,
        )
        save_best(training.network, card, plan.folder / "best.safetensors")
        table = out_of_fold(plan.cache, training.rows, predictions, plan.fold)
        write_atomically(plan.folder / "oof.parquet", table.to_parquet(index=False))
    write_atomically(plan.folder / "metrics.csv", pd.DataFrame(training.history).to_csv(index=False).encode())
    for name, value in row.items():
        if name != "epoch":
            events.add_scalar(name, value, int(row["epoch"]))


def out_of_fold(cache: Cache, rows: FoldRows, predictions: dict[str, FloatArray], fold: int) -> pd.DataFrame:
    """One row a validation photo: what it is, its true labels, and `<task>:<class>` probabilities."""
    known = cache.index.loc[rows.validation, ["position", "image_id", "person", "mask", "gender", "age"]]
    table = known.assign(fold=fold).reset_index(drop=True)
    columns = {
        f"{task}:{name}": values[:, column]
        for task, values in predictions.items()
        for column, name in enumerate(TASKS[task].classes)
    }
    return pd.concat([table, pd.DataFrame(columns)], axis=1)
