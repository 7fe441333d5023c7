"""Does training wait? The same step over the loader, over batches made beforehand, and the loader alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import count, cycle, islice
from pathlib import Path
from typing import Literal

import torch
from nvidia.dali import __version__ as dali_version
from rich.console import Console
from rich.progress import Progress

from bench.measure import Row, write_report
from faces.cache import Cache, CacheError
from faces.command import run_command
from pipeline.engine import PREFETCH
from pipeline.loader import Batch, Loader
from train.assemble import FoldPlan, assemble
from train.data.rows import fold_rows
from train.engine.loop import FoldTraining
from train.engine.precision import choose_device, loader_threads
from train.engine.watch import Watch
from train.folder import resolve_precision
from train.recipe.file import read_recipe

REAL, READY, ALONE = "ours: real loader", "batches made beforehand", "loader alone"
_READY_BATCHES = 8
_WARM_STEPS = PREFETCH + 2
"""Untimed steps at a turn's start: DALI fills its queue while others have their turn, which is no speed."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Measure how much of its full speed training reaches, with network, precision and optimiser as trained.

    Weights start at random even where the recipe says pretrained: the speed does not depend on them.
    """

    recipe: Path = Path("recipes/resnet18.toml")
    """Recipe file (TOML)."""
    cache: Path = Path("demo/caches/train")
    """Finished cache with labels."""
    out: Path = Path("bench/results/train.json")
    """The report; a picture is written beside it."""
    weights: Path | None = None
    """Local file of backbone weights, instead of random ones."""
    fold: int = 0
    """Fold whose training photos are used."""
    folds: int = 5
    """Number of folds the people are divided into."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU where there is one."""
    threads: int = 0
    """Loader threads; 0 is what training takes."""
    torch_threads: int = 0
    """CPU threads of the network; 0 is what training takes."""
    steps: int = 24
    """Timed steps a turn."""
    repetitions: int = 5
    """Counted turns of each, after one to warm up."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 1), ("repetitions", 1), ("threads", 0), ("torch_threads", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Some steps, timed. Seconds."""

    images: int
    wall: float
    cpu: float
    """Of all threads of the process: network, loader and interpreter."""
    waiting: float
    """Of the wall time, in which the step waited for its batch."""


@dataclass(frozen=True, kw_only=True)
class TrainRow(Row):
    """What the turns of one way came to; `ratio` is to the batches made beforehand."""

    waiting: float
    """Share of the time in which the step waited for its batch, median of the turns. On a GPU the host's
    time, in which the GPU may still be busy: there only `ratio` tells."""
    ratio_min: float
    """Smallest ratio of a turn to the turn beside it over batches made beforehand."""
    ratio_max: float
    """Largest such ratio."""


def take_turn(
    batches: Iterator[Batch],
    step: Callable[..., object] | None,
    steps: int,
    synchronise: Callable[[], object],
) -> Turn:
    """Time some steps, after a few untimed ones.

    Args:
        batches: endless.
        step: what is done with each batch, if anything.
        steps: timed steps.
        synchronise: waits for the device.
    """
    for batch in islice(batches, _WARM_STEPS):
        if step is not None:
            step(*batch)
    synchronise()
    images, waiting, cpu, start = 0, 0.0, time.process_time(), time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = next(batches)
        waiting += time.perf_counter() - asked
        images += len(batch[1])
        if step is not None:
            step(*batch)
    synchronise()
    wall = time.perf_counter() - start
    return Turn(images=images, wall=wall, cpu=time.process_time() - cpu, waiting=waiting)


def compare(training: FoldTraining, settings: Settings, synchronise: Callable[[], object]) -> list[TrainRow]:
    """Let the three ways take turns, so that a busy moment of the machine meets all of them."""
    training.step.model.train()
    step = partial(training.step, epoch=0, batch=0)
    real = _endless(training.training)
    # Of the real loader's own memory: a batch is its receiver's for good.
    ready = cycle([*islice(real, _READY_BATCHES)])
    ways: dict[str, tuple[Iterator[Batch], Callable[..., object] | None]]
    ways = {REAL: (real, step), READY: (ready, step), ALONE: (real, None)}
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    with Progress(console=Console(highlight=False)) as progress:
        bar = progress.add_task("", total=(settings.repetitions + 1) * len(ways))
        for repetition in range(settings.repetitions + 1):
            for name, (batches, action) in ways.items():
                progress.update(bar, description=name if repetition else f"{name} (warm-up)")
                turn = take_turn(batches, action, settings.steps, synchronise)
                if repetition:
                    turns[name].append(turn)
                progress.advance(bar)
    return [_row(name, found, turns[READY]) for name, found in turns.items()]


def _endless(loader: Loader) -> Iterator[Batch]:
    for epoch in count():
        yield from loader.epoch(epoch)


def _row(name: str, turns: list[Turn], ready: list[Turn]) -> TrainRow:
    speeds = [turn.images / turn.wall for turn in turns]
    full = [turn.images / turn.wall for turn in ready]
    ratios = [speed / best for speed, best in zip(speeds, full, strict=True)]
    return TrainRow(
        name=name,
        images_per_s=round(statistics.median(speeds), 1),
        min=round(min(speeds), 1),
        max=round(max(speeds), 1),
        cpu_us=round(statistics.median(turn.cpu / turn.images * 1e6 for turn in turns), 1),
        ratio=round(statistics.median(ratios), 3),
        ratio_min=round(min(ratios), 3),
        ratio_max=round(max(ratios), 3),
        waiting=round(statistics.median(turn.waiting / turn.wall for turn in turns), 4),
    )


def shared_cores(rows: list[TrainRow]) -> float:
    """Share of the full speed at which a loader that never made the step wait would leave a CPU.

    Step and loader share the cores, so the loader's own CPU time is lost to the step even then:
    1 / (1 + loader's CPU time / step's CPU time), an image each.
    """
    cpu = {row.name: row.cpu_us for row in rows}
    return 1 / (1 + cpu[ALONE] / cpu[READY])


def bench(settings: Settings) -> list[TrainRow]:
    """Measure and write the report.

    Raises:
        ValueError: no finished cache to take crops from, or a recipe that does not fit data or machine.
    """
    recipe = replace(read_recipe(settings.recipe), pretrained=False)
    if settings.weights is not None:
        recipe = replace(recipe, weights=str(settings.weights))
    try:
        cache = Cache.open(settings.cache)
    except CacheError as error:
        raise ValueError(f"{error}; or run `make demo`, whose crops are used by default") from error
    device = choose_device(settings.device)
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
        threads=settings.threads or loader_threads(device),
    )
    plan = replace(plan, recipe=resolve_precision(plan, Watch()))
    rows = fold_rows(cache, recipe.tasks, fold=plan.fold, folds=plan.folds, seed=0, rows=recipe.rows)
    training = assemble(plan, rows)
    found = compare(training, settings, torch.cuda.synchronize if device == "cuda" else lambda: None)
    _report(found, plan, settings, len(rows.training))
    return found


def _report(rows: list[TrainRow], plan: FoldPlan, settings: Settings, photos: int) -> None:
    recipe = plan.recipe
    conditions = {
        "recipe": settings.recipe.stem,
        "backbone": recipe.backbone,
        "image": recipe.image_size,
        "batch": recipe.batch_size,
        "policy": recipe.augment,
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
    """`python -m bench.train`."""
    run_command(Settings, bench)
