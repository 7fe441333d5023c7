"""What another busy process costs training, by how torch's CPU threads wait: `python -m bench.train.busy`."""

from __future__ import annotations

import multiprocessing
import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console

from bench.measure import Rival, Round, Row, measure, write_report
from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.command import run_command
from faces.cores import usable_cores
from train.data.tasks import fit_to_cache
from train.recipe.file import read_recipe
from train.recipe.recipe import Recipe

OURS, DEFAULT = "ours: threads soon sleep", "threads spin"
BESIDE = ", core shared"
_WAITING = {OURS: {"GOMP_SPINCOUNT": "5000"}, DEFAULT: {"GOMP_SPINCOUNT": "300000"}}
"""Environment of each way of waiting: as faces/__init__.py has it, and as libgomp where nothing is set."""


@dataclass(frozen=True, kw_only=True)
class BenchBusySettings:
    """Measure training on a CPU alone and beside one process that keeps a core busy.

    Both ways of waiting train in a process of their own, in turns, on all cores of the machine.

    Example: make bench-busy RECIPE=recipes/small.toml CACHE=caches/mine
    """

    recipe: Path = Path("recipes/small.toml")
    """Recipe file (TOML); trained in fp32 from random weights."""
    cache: Path = Path("demo/caches/train")
    """Finished cache with labels."""
    out: Path = Path("bench/results/busy.json")
    """The report; a picture is written beside it."""
    steps: int = 24
    """Timed steps a turn."""
    repetitions: int = 3
    """Counted turns of each, after one to warm up."""

    def __post_init__(self) -> None:
        for name in ("steps", "repetitions"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class TrainingProcess:
    """A process that trains some steps for each message, with threads that wait in one way.

    Args:
        waiting: environment variables that say how, which a process reads once at its start.
        recipe: what is trained.
        cache: folder of the crops.
    """

    def __init__(self, waiting: dict[str, str], recipe: Recipe, cache: Path) -> None:
        self._ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(theirs, recipe, cache), daemon=True)
        before = {name: os.environ.pop(name, None) for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        os.environ.update(waiting)
        try:
            self._process.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def train(self, steps: int) -> Round:
        """Time some steps."""
        self._ours.send(steps)
        done: Round = self._ours.recv()
        return done

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


def _serve(parent: Connection, recipe: Recipe, cache: Path) -> None:
    """Set a training up, then time as many steps as the other end asks for, again and again."""
    from bench.train.turns import take_turn
    from train.assemble import FoldPlan, assemble
    from train.data.rows import fold_rows

    crops = Cache.open(cache)
    plan = FoldPlan(
        recipe=recipe, cache=crops, fold=0, folds=5, fold_seed=0, folder=cache, device="cpu", threads=1
    )
    training = assemble(plan, fold_rows(crops, recipe.tasks, fold=0, folds=5, seed=0, rows=recipe.rows))
    training.step.model.train()
    step = partial(training.step, epoch=0, batch=0)
    batches = (batch for epoch in count() for batch in training.training.epoch(epoch))
    while True:
        turn = take_turn(batches, step, parent.recv(), lambda: None)
        parent.send(Round(images=turn.images, wall=turn.wall, cpu=turn.cpu))


def _keep_busy(parent: int) -> None:
    """Take all of a core, but outlive nobody: a benchmark that is killed leaves no busy process behind."""
    while os.getppid() == parent:
        pass


def _beside_busy(process: TrainingProcess, steps: int) -> Round:
    busy = multiprocessing.get_context("fork").Process(target=_keep_busy, args=(os.getpid(),), daemon=True)
    busy.start()
    try:
        return process.train(steps)
    finally:
        busy.kill()
        busy.join()


def bench(settings: BenchBusySettings) -> list[Row]:
    """Measure and write the report.

    Raises:
        ValueError: no finished cache to take crops from, or too few people for five folds.
    """
    from train.data.rows import fold_rows  # takes a second to import, for which --help should not wait

    recipe = replace(read_recipe(settings.recipe), pretrained=False, weights="", precision="fp32")
    try:
        # Before a process starts, whose mistakes could only be a trace.
        cache = Cache.open(settings.cache)
        recipe = fit_to_cache(recipe, cache, settings.recipe)
        fold_rows(cache, recipe.tasks, fold=0, folds=5, seed=0, rows=recipe.rows)
    except CacheError as error:
        raise ValueError(
            f"{error}; or let `make bench-busy` draw people, as it does without CACHE="
        ) from error
    with ExitStack() as stack:
        rivals = []
        for name, waiting in _WAITING.items():
            process = TrainingProcess(waiting, recipe, settings.cache)
            stack.callback(process.close)
            rivals.append(Rival(name=name, work=partial(process.train, settings.steps)))
            beside = partial(_beside_busy, process, settings.steps)
            rivals.append(Rival(name=name + BESIDE, work=beside))
        rows = measure(rivals, repetitions=settings.repetitions, compared_with=DEFAULT)
    _report(rows, recipe, settings)
    return rows


def _report(rows: list[Row], recipe: Recipe, settings: BenchBusySettings) -> None:
    write_report(
        settings.out,
        rows,
        conditions={
            "recipe": settings.recipe.stem,
            "backbone": recipe.backbone,
            "image": recipe.image_size,
            "batch": recipe.batch_size,
            "cores": usable_cores(),
            "steps": settings.steps,
            "repetitions": settings.repetitions,
        },
        versions={name: version(name) for name in ("torch", "numpy")},
        title="Training beside one busy process, by how threads wait",
    )
    speed = {row.name: row.images_per_s for row in rows}
    kept = {name: speed[name + BESIDE] / speed[name] for name in _WAITING}
    Console(highlight=False).print(
        f"alone, threads that soon sleep reach {speed[OURS] / speed[DEFAULT]:.0%} of spinning ones; beside "
        f"a busy process they keep {kept[OURS]:.0%} of their speed, spinning ones {kept[DEFAULT]:.0%}",
        soft_wrap=True,
    )


def main() -> None:
    """The command line."""
    run_command(BenchBusySettings, bench)


if __name__ == "__main__":
    main()
