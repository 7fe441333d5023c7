"""The folder of a run: begin it, or check that it holds this very run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from faces.cache.description import file_sha256
from faces.command import flat_table, from_table, read_toml, to_table, write_toml
from faces.files import exclusive, write_atomically
from faces.label_file import stored_labels
from train.assemble import FoldPlan
from train.data.beside import extra_folds
from train.engine.precision import measure_compiled, measure_precisions
from train.engine.watch import Watch
from train.network.model import build_model
from train.recipe.recipe import Precision, Recipe

_TRAINED = ("last.pt", "last.previous.pt", "best.safetensors")
"""What a folder holds once something was trained; until then it may become another run's."""


@contextmanager
def hold_folder(plan: FoldPlan) -> Iterator[None]:
    """Keep other trainings out of the run's folder; of several processes that train together the first does
    so for all.

    Raises:
        ValueError: another process trains there.
        OSError: the folder cannot be made.
    """
    held = exclusive(
        plan.folder,
        doing="training this fold",
        cure="train another FOLD, rename the recipe or give another RUNS folder",
    )
    with ExitStack() as stack:
        refusal: Exception | None = None
        if plan.processes.first:
            try:
                stack.enter_context(held)
            except (ValueError, OSError) as error:
                refusal = error
        plan.processes.raise_first(refusal)
        yield


def adopt_folder(plan: FoldPlan, watch: Watch) -> FoldPlan:
    """Begin the run's folder or check that it holds this very run; the plan with its precision resolved.

    Raises:
        ValueError: something else was trained there; the message names the differing keys.
    """
    requested = {
        "recipe": to_table(plan.recipe),
        "cache": plan.cache.identity,
        "fold": plan.fold,
        "folds": plan.folds,
        "fold_seed": plan.fold_seed,
        "scheme": plan.scheme,
        **({"rows": plan.rows.identity} if plan.rows else {}),
        **_beside(plan),
    }
    request = plan.folder / "request.json"
    resolved = plan.folder / "recipe.toml"
    if request.is_file() and resolved.is_file():
        found = json.loads(request.read_text())
        # What a recipe of then did not know is as it is when left out.
        found["recipe"] = to_table(from_table(Recipe, found["recipe"], request))
        differing = _differences(found, requested)
        if not differing:
            return dataclasses.replace(plan, recipe=read_toml(Recipe, resolved))
        if any((plan.folder / name).is_file() for name in _TRAINED):
            raise ValueError(
                f"{plan.folder}: holds a run of something else ({'; '.join(differing)}); "
                "rename the recipe, choose another RUNS folder, or delete this run"
            )
    plan.processes.wait()  # all have looked before the first begins to write
    if plan.processes.first:
        recipe = resolve_precision(plan, watch)
        if recipe.compile:
            _say_gain(plan, recipe, watch)
        write_toml(recipe, resolved)
        write_atomically(request, json.dumps(requested, indent=1).encode())
    plan.processes.wait()
    return dataclasses.replace(plan, recipe=read_toml(Recipe, resolved))


def _beside(plan: FoldPlan) -> dict[str, Any]:
    """What the labels are where they are not the contest's, and hashes of what is trained on beside a cache's
    ordinary photos."""
    beside: dict[str, Any] = {}
    if stored := stored_labels(plan.cache.label_set):
        beside["labels"] = stored
    if plan.recipe.teacher.predictions:
        hashes = [file_sha256(Path(path)) for path in plan.recipe.teacher.predictions]
        beside["predictions"] = " ".join(hashes)
    extra = extra_folds(plan.cache, plan.folds)
    if (extra != "").any():
        beside["extra"] = hashlib.sha256("|".join(extra).encode()).hexdigest()
    return beside


def _differences(found: dict[str, Any], requested: dict[str, Any]) -> list[str]:
    before, now = flat_table(found), flat_table(requested)
    return [
        f"{key}: {before.get(key)!r} there, {now.get(key)!r} now"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key) and key not in ("recipe.about", "labels.name")
    ]


def resolve_precision(plan: FoldPlan, watch: Watch) -> Recipe:
    """The recipe with `auto` replaced by what trains fastest on this device."""
    recipe = plan.recipe
    if recipe.precision != "auto":
        return recipe
    network = build_model(recipe, plan.cache.label_set, initialise=False)
    size = plan.processes.share(recipe.batch_size)
    # Both of SAM's gradients would need a loss scale.
    without: tuple[Precision, ...] = ("fp16",) if recipe.optimiser.sam else ()
    rates = measure_precisions(network, size, recipe.image_size, plan.device, without=without)
    fastest = max(rates, key=lambda precision: rates[precision])
    measured = ", ".join(f"{precision} {rate:,.0f}" for precision, rate in rates.items())
    watch.say(f"fold {plan.fold}: precision auto measured {measured} training images/s: {fastest}")
    return dataclasses.replace(recipe, precision=fastest)


def _say_gain(plan: FoldPlan, recipe: Recipe, watch: Watch) -> None:
    network = build_model(recipe, plan.cache.label_set, initialise=False)
    size = plan.processes.share(recipe.batch_size)
    gain, seconds = measure_compiled(network, size, recipe.image_size, plan.device, recipe.precision)
    watch.say(
        f"fold {plan.fold}: torch.compile trains {gain:.2f} times as fast here, after {seconds:.0f} s of "
        "compiling that each run pays again"
    )
