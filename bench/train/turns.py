"""Training steps timed in turn over the real loader, over batches made beforehand, and the loader alone."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import count, cycle, islice

from rich.console import Console

from bench.measure import Row
from faces.terminal.progress import step_progress
from pipeline.engine import PREFETCH
from pipeline.loader import Batch, Loader
from train.engine.loop import FoldTraining

REAL, READY, ALONE = "ours: real loader", "batches made beforehand", "loader alone"
_READY_BATCHES = 8
WARM_STEPS = PREFETCH + 2
"""Untimed steps at a turn's start: DALI fills its queue while others have their turn, which is no speed."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Some steps, timed. Seconds."""

    images: int
    wall: float
    cpu: float
    """CPU time of all threads of the process: network, loader and interpreter."""
    waiting: float
    """Part of the wall time in which the step waited for its batch."""


@dataclass(frozen=True, kw_only=True)
class TrainRow(Row):
    """What the turns of one way came to; `ratio` is to the batches made beforehand."""

    waiting: float
    """Share of the time in which the step waited for its batch, median of the turns. On a GPU the host's
    time, in which the GPU may still be busy: there only `ratio` counts."""
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
    for batch in islice(batches, WARM_STEPS):
        if step is not None:
            step(*batch)
    synchronise()
    images, waiting, cpu, start = 0, 0.0, time.process_time(), time.perf_counter()
    for _ in range(steps):
        before = time.perf_counter()
        batch = next(batches)
        waiting += time.perf_counter() - before
        images += len(batch[1])
        if step is not None:
            step(*batch)
    synchronise()
    wall = time.perf_counter() - start
    return Turn(images=images, wall=wall, cpu=time.process_time() - cpu, waiting=waiting)


Way = tuple[Iterator[Batch], Callable[..., object] | None]
"""Endless batches, and what is done with each, if anything."""


def ways_of(training: FoldTraining) -> dict[str, Way]:
    """The three ways to be compared, by name, for the training of one fold."""
    training.step.model.train()
    step = partial(training.step, epoch=0, batch=0)
    real = _endless(training.training)
    # In the real loader's own memory: a batch is its receiver's for good.
    ready = cycle([*islice(real, _READY_BATCHES)])
    return {REAL: (real, step), READY: (ready, step), ALONE: (real, None)}


def compare(
    ways: Mapping[str, Way], *, steps: int, repetitions: int, synchronise: Callable[[], object]
) -> list[TrainRow]:
    """Let the ways take turns, so that a busy moment of the machine meets all of them.

    Args:
        ways: by name, `READY` among them.
        steps: timed steps of a turn.
        repetitions: counted turns, after one to warm up.
        synchronise: waits for the device.
    """
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    with step_progress("turns", console=Console(highlight=False)) as progress:
        bar = progress.add_task("", total=(repetitions + 1) * len(ways))
        for repetition in range(repetitions + 1):
            for name, (batches, step) in ways.items():
                progress.update(bar, description=name if repetition else f"{name} (warm-up)")
                turn = take_turn(batches, step, steps, synchronise)
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
