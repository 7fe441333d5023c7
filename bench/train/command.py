"""Does training wait? The same step over the loader, over batches made beforehand, and the loader alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from bench.measure import write_report
from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.command import run_command
from train.data.tasks import fit_to_cache
from train.engine.compute import Compute
from train.recipe.file import read_recipe

if TYPE_CHECKING:
    from bench.train.turns import TrainRow
    from train.assemble import FoldPlan


@dataclass(frozen=True, kw_only=True)
class BenchTrainSettings:
    """Measure how much of its full speed training reaches, with network, precision and optimiser as trained.

    Weights start at random even where the recipe names some: the speed does not depend on them.

    Example: make bench-train RECIPE=recipes/resnet18.toml CACHE=caches/mine
    """

    recipe: Path = Path("recipes/resnet18.toml")
    """Recipe file (TOML)."""
    cache: Path = Path("demo/caches/train")
    """Finished cache with labels."""
    out: Path = Path("bench/results/train.json")
    """The report; a picture is written beside it."""
    weights: Path | None = None
    """Name or local file of backbone weights, instead of random ones; nothing is fetched."""
    fold: int = 0
    """Fold whose training photos are used."""
    folds: int = 5
    """Number of folds the people are divided into."""
    compute: tyro.conf.OmitArgPrefixes[Compute] = Compute()
    torch_threads: int = 0
    """CPU threads of the network; 0 is what training takes."""
    steps: int = 24
    """Timed steps a turn."""
    repetitions: int = 5
    """Counted turns of each, after one to warm up."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("repetitions", 1), ("torch_threads", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


def bench(settings: BenchTrainSettings) -> list[TrainRow]:
    """Measure and write the report.

    Raises:
        ValueError: no finished cache to take crops from, or a recipe that does not fit data or machine.
    """
    recipe = replace(read_recipe(settings.recipe), pretrained=False, weights="")
    if settings.weights is not None:
        recipe = replace(recipe, weights=str(settings.weights))
    try:
        cache = Cache.open(settings.cache)
    except CacheError as error:
        raise ValueError(
            f"{error}; or let `make bench-train` draw people, as it does without CACHE="
        ) from error
    recipe = fit_to_cache(recipe, cache, settings.recipe)
    # torch and DALI take seconds to import, which neither --help nor a mistake above should wait for.
    import torch

    from bench.train.turns import compare, ways_of
    from train.assemble import FoldPlan, assemble
    from train.data.rows import fold_rows
    from train.engine.watch import Watch
    from train.run_folder import resolve_precision

    device = settings.compute.chosen_device()
    if settings.torch_threads:
        torch.set_num_threads(settings.torch_threads)
    plan = FoldPlan(
        recipe=recipe,
        cache=cache,
        fold=settings.fold,
        folds=settings.folds,
        fold_seed=0,
        folder=settings.out.parent,
        device=device,
        threads=settings.compute.loader_threads(),
    )
    plan = replace(plan, recipe=resolve_precision(plan, Watch()))
    rows = fold_rows(cache, recipe.tasks, fold=plan.fold, folds=plan.folds, seed=0, rows=recipe.rows)
    training = assemble(plan, rows)
    found = compare(
        ways_of(training),
        steps=settings.steps,
        repetitions=settings.repetitions,
        synchronise=torch.cuda.synchronize if device == "cuda" else lambda: None,
    )
    _report(found, plan, settings, len(rows.training))
    return found


def _report(rows: list[TrainRow], plan: FoldPlan, settings: BenchTrainSettings, photos: int) -> None:
    import torch
    from nvidia.dali import __version__ as dali_version

    from bench.train.turns import REAL, shared_cores

    recipe = plan.recipe
    conditions = {
        "recipe": settings.recipe.stem,
        "backbone": recipe.backbone,
        "image": recipe.image_size,
        "batch": recipe.batch_size,
        "policy": recipe.policy_name,
        "mixing": recipe.mixing.name,
        "precision": recipe.precision,
        "device": plan.device,
        "crop": f"{plan.cache.size} {plan.cache.codec}",
        "training photos": photos,
        "loader threads": plan.threads,
        "network threads": torch.get_num_threads(),
        "steps": settings.steps,
        "repetitions": settings.repetitions,
    }
    if plan.device == "cpu":
        conditions["ratio if only the loader's CPU time is lost"] = round(shared_cores(rows), 3)
    write_report(
        settings.out,
        rows,
        conditions=conditions,
        versions={"nvidia-dali": dali_version} | {name: version(name) for name in ("torch", "timm", "numpy")},
        title=f"Does training wait? {recipe.backbone} at {recipe.image_size}, {recipe.precision}",
    )
    real = next(row for row in rows if row.name == REAL)
    Console(highlight=False).print(
        f"training reaches {real.ratio:.1%} ({real.ratio_min:.1%} to {real.ratio_max:.1%}) of its full speed "
        f"and spends {real.waiting:.1%} of its time waiting for batches"
    )


def main() -> None:
    """The command line."""
    run_command(BenchTrainSettings, bench)
