"""Training steps in several arithmetics and memory layouts, timed in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import torch
from torch._inductor.utils import fresh_cache
from torch.nn import functional

from bench.train.step_rows import BASELINE, StepRow, Timing, Variant, best_row, make_rows
from faces.labels import CONTEST
from train.descent.first_layers import freeze_first
from train.descent.optimiser import make_optimiser
from train.engine.precision import candidates, compile_network, make_fabric
from train.loops.memory import keep_memory
from train.loops.swap import use_plain
from train.network.model import build_model
from train.network.objective import Objective
from train.recipe.recipe import Recipe

HEADS = ("mask", "gender", "age3")
"""Tasks of the network that is timed, of the contest's labels."""
_READY_BATCHES = 4


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is timed, whatever the variant."""

    image_size: int
    """Height and width, pixels."""
    batch_size: int
    """Images a step."""
    steps: int
    """Steps a turn."""
    repetitions: int
    """Counted laps, after one to warm up."""
    device: str
    """`cpu` or `cuda`."""
    frozen_layers: int = 0
    """First groups of layers that are not trained in a row of its own; 0 is no such row."""


def eager_variants(device: str, frozen_layers: int = 0) -> list[Variant]:
    """The baseline, each precision the device may train in, channels last, and on a CPU our loops: of the
    whole network, and where it is asked for with its first layers frozen."""
    frozen = sorted({0, frozen_layers}) if device == "cpu" else []
    ours = [Variant(precision="fp32", loops=True, frozen_layers=layers) for layers in frozen]
    return [BASELINE, *(Variant(precision=precision) for precision in candidates(device)), *ours]


def turns(work: Work, *, compiled: bool) -> int:
    """Turns of one backbone, warm-up included: those of the eager variants, then the baseline's and the
    compiled network's."""
    return (1 + work.repetitions) * (len(eager_variants(work.device, work.frozen_layers)) + 2 * compiled)


def measure_backbone(
    backbone: str,
    work: Work,
    *,
    compiled: bool,
    begin: Callable[[str], object],
    end: Callable[[int], object],
) -> list[StepRow]:
    """Rows of a backbone's variants, the baseline's first.

    The eager variants take turns. The compiled network, in the precision that had the best ratio, then takes
    turns with the baseline alone: its ratio too is to the turn beside it.

    Args:
        backbone: name of a timm model.
        work: what is timed.
        compiled: whether to compile, too.
        begin: called before a turn with what it is about.
        end: called after turns with their number; all together are `turns`.
    """

    def begin_turn(variant: Variant, lap: int) -> None:
        doing = "" if lap else " (compiling)" if variant.compiled else " (warm-up)"
        begin(f"{backbone}: {variant.name}{doing}")

    def run(variants: list[Variant]) -> list[StepRow]:
        makers = {variant: partial(make_stepper, backbone, variant, work) for variant in variants}
        timings = race(makers, work, begin_turn, lambda: end(1))
        return make_rows(backbone, timings, work.steps * work.batch_size)

    rows = run(eager_variants(work.device, work.frozen_layers))
    if not compiled:
        return rows
    best = best_row(rows)
    if best is None:
        end(2 * (1 + work.repetitions))
        return [
            *rows,
            StepRow(
                backbone=backbone,
                name=Variant(precision="fp32", compiled=True).name,
                precision="fp32",
                failure=f"not tried, because {BASELINE.name} failed",
            ),
        ]
    torch.compiler.reset()  # the compiler counts all networks of a process together and gives up at some
    with fresh_cache():
        return [*rows, run([BASELINE, Variant(precision=best.precision, compiled=True)])[1]]


def make_stepper(backbone: str, variant: Variant, work: Work) -> Callable[[], None]:
    """A function that trains the recipe's network on one of some batches of random pixels.

    Forward pass with heads, losses, backward pass and the optimiser's move, as Fabric wraps them in training.

    Raises:
        ValueError: unknown backbone, or an image size it does not take.
    """
    torch.manual_seed(0)
    recipe = Recipe(
        tasks=HEADS,
        backbone=backbone,
        image_size=work.image_size,
        batch_size=work.batch_size,
        pretrained=False,
    )
    layout: Any = torch.channels_last if variant.channels_last else torch.contiguous_format
    network = build_model(recipe, CONTEST).to(memory_format=layout)
    if not variant.loops:
        use_plain(network)
    network.still = freeze_first(network.backbone, variant.frozen_layers)
    optimiser = make_optimiser(network, recipe.optimiser)
    fabric = make_fabric(variant.precision, work.device)
    model, wrapped = fabric.setup(compile_network(network) if variant.compiled else network, optimiser)
    model.train()
    classes = {task: len(CONTEST.task(task).classes) for task in recipe.tasks}
    counts = {task: torch.ones(n) for task, n in classes.items()}
    objective = Objective(recipe, CONTEST, counts).to(fabric.device)
    batches = cycle(
        fabric.to_device(
            (
                torch.randn(work.batch_size, 3, work.image_size, work.image_size).to(memory_format=layout),
                {
                    t: functional.one_hot(torch.randint(n, (work.batch_size,)), n).float()
                    for t, n in classes.items()
                },
            )
        )
        for _ in range(_READY_BATCHES)
    )

    def step() -> None:
        images, targets = next(batches)
        fabric.backward(objective(model(images), targets, epoch=0, total=lambda mass: mass))
        wrapped.step()
        wrapped.zero_grad(set_to_none=True)

    return step


def race(
    makers: Mapping[Variant, Callable[[], Callable[[], object]]],
    work: Work,
    begin: Callable[[Variant, int], object],
    end: Callable[[], object],
) -> dict[Variant, Timing]:
    """Let the variants take turns (A B C A B C ...), so that a busy moment of the machine meets all of them.

    The first lap makes the steppers, takes their first steps and warms up; it is not counted. A variant that
    raises anything is out, and its turns pass unused.

    Args:
        makers: make each variant's stepper.
        work: how many steps and laps.
        begin: called before a turn with the variant and the lap, from 0.
        end: called after a turn.
    """
    timings = {variant: Timing() for variant in makers}
    steppers: dict[Variant, Callable[[], object]] = {}
    for lap in range(1 + work.repetitions):
        for variant, timing in timings.items():
            if not timing.failure:
                begin(variant, lap)
                keep_memory(variant.loops)
                try:
                    if not lap:
                        steppers[variant] = makers[variant]()
                        timing.first = _seconds(steppers[variant], 1, work.device)
                    before = time.process_time()
                    seconds = _seconds(steppers[variant], work.steps, work.device)
                    if lap:
                        timing.seconds.append(seconds)
                        timing.cpu.append(time.process_time() - before)
                except Exception as error:  # whatever a compiler or a device raises
                    timing.failure = _summary(error)
                    steppers.pop(variant, None)
            end()
    return timings


def _seconds(stepper: Callable[[], object], steps: int, device: str) -> float:
    _synchronise(device)
    start = time.perf_counter()
    for _ in range(steps):
        stepper()
    _synchronise(device)
    return time.perf_counter() - start


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _summary(error: Exception) -> str:
    """The error's kind and the first of its lines that says more than where another error came from."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = next((line for line in lines if not line.endswith("raised:")), "")
    return f"{type(error).__name__}: {message[:160]}"
