"""Where and in which arithmetic to compute: bf16 speeds dense networks and slows depthwise ones on CPUs."""

from __future__ import annotations

import copy
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Collection
from functools import cache, partial
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor, nn

from faces.cores import usable_cores
from faces.labels import LabelSet
from train.engine.exhaustion import Exhausted, let_go
from train.engine.gpu import driver_version, usable_gpu
from train.engine.processes import Processes
from train.loops.swap import exchanged
from train.network.model import Network, build_model
from train.recipe.recipe import Precision, Recipe

K = TypeVar("K")

CANDIDATES: dict[str, tuple[Precision, ...]] = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "bf16", "fp16")}
_STEPS = 3
_ROUNDS = 3
_HOPELESS = 3
"""Times the seconds of the fastest, after which a way of computing is not timed again."""


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> Literal["cpu", "cuda"]:
    """`cpu` or `cuda`. Where auto leaves a GPU aside because it cannot be used, stderr tells why, once.

    Raises:
        ValueError: a GPU was demanded and cannot be used: driver found, driver needed and cure.
    """
    if wanted == "cuda" and usable_gpu():
        raise ValueError(f"device=cuda: {usable_gpu()}")
    return _best_device() if wanted == "auto" else wanted


@cache
def _best_device() -> Literal["cpu", "cuda"]:
    if usable_gpu() and driver_version():
        print(f"warning: computing on the CPU: {usable_gpu()}", file=sys.stderr)
    return "cpu" if usable_gpu() else "cuda"


def loader_threads(device: str) -> int:
    """Threads of this process's loader: on a CPU the network needs the cores more; beside a GPU up to 8, and
    the processes of torchrun share the machine's cores."""
    sharing = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return 1 if device == "cpu" else max(1, min(8, usable_cores() // sharing))


def make_fabric(
    precision: Precision, device: str, *, processes: Processes = Processes(), partly: bool = False
) -> Fabric:
    """The engine that computes on `device` ("cpu" or "cuda") in `precision`; fp16 scales its loss.

    The plugin is made here because the engine's own choice silently turns fp16 into bf16 on a CPU.

    Args:
        precision: not "auto".
        device: of this process.
        processes: those that train together and average their gradients.
        partly: whether some parameters get no gradient in some steps.
    """
    # A number of devices would be GPU 0 for each of several processes, where one alone tries something out.
    own = [torch.cuda.current_device()] if device == "cuda" else 1
    options: dict[str, Any] = {"accelerator": device, "devices": own}
    if processes.world > 1:
        together = DDPStrategy(find_unused_parameters=partly)
        nodes = processes.world // int(os.environ.get("LOCAL_WORLD_SIZE", processes.world))
        options |= {"devices": processes.world // nodes, "num_nodes": nodes, "strategy": together}
    if precision == "fp32":
        options["precision"] = "32-true"
    else:
        options["plugins"] = [MixedPrecision("16-mixed" if precision == "fp16" else "bf16-mixed", device)]
    fabric = Fabric(**options)
    if processes.world > 1:
        fabric.launch()
    return fabric


def measure_compiled(
    network: Network, batch_size: int, image_size: int, device: str, precision: Precision
) -> tuple[float, float]:
    """What torch.compile gains: (times the training speed, seconds of compiling)."""
    start = time.perf_counter()
    with torch.random.fork_rng(devices=_generators(device)):
        images = torch.randn(batch_size, 3, image_size, image_size)
        plain = _stepper(network, images, precision, device)
        compiled = _stepper(network, images, precision, device, compiled=True)
        compiled()
        compiled()
        spent = time.perf_counter() - start
        seconds = time_in_turns({"plain": plain, "compiled": compiled}, device)
    return statistics.median(seconds["plain"]) / statistics.median(seconds["compiled"]), spent


def candidates(device: str) -> tuple[Precision, ...]:
    """The arithmetics that may be the fastest on a device.

    bf16 is none on an x86 processor without AVX-512, which has no instruction for it: to see that it takes
    ten times as long would take longer than many a small training.
    """
    emulated = device == "cpu" and not torch.cpu.get_capabilities().get("avx512_f", True)
    return tuple(each for each in CANDIDATES[device] if not (emulated and each == "bf16"))


def measure_precisions(
    network: Network,
    batch_size: int,
    image_size: int,
    device: str,
    *,
    without: Collection[Precision] = (),
) -> dict[Precision, float]:
    """Training images a second of a copy of the network, by precision; 0 where memory does not suffice.

    The candidates take turns, so that a change of the machine's speed meets all of them; the median counts.
    Neither the network nor the state of torch's random numbers changes.
    """
    with torch.random.fork_rng(devices=_generators(device)):
        images = torch.randn(batch_size, 3, image_size, image_size)
        steppers = {p: _stepper(network, images, p, device) for p in candidates(device) if p not in without}
        seconds = time_in_turns(steppers, device)
    return {p: _STEPS * batch_size / statistics.median(times) if times else 0 for p, times in seconds.items()}


def measure_fastest(recipe: Recipe, labels: LabelSet, batch_size: int, device: str) -> tuple[Precision, str]:
    """What trains a recipe's network fastest on a device, and what was measured, in words."""
    network = build_model(recipe, labels, initialise=False)
    # Both of SAM's gradients would need a loss scale.
    without: tuple[Precision, ...] = ("fp16",) if recipe.optimiser.sam else ()
    rates = measure_precisions(network, batch_size, recipe.image_size, device, without=without)
    # Where none fits the training will say so; the last one takes least.
    fastest = max(rates, key=lambda each: rates[each]) if any(rates.values()) else [*rates][-1]
    told = (f"{each} {rate:,.0f}" if rate else f"{each} out of memory" for each, rate in rates.items())
    ours = exchanged(network) if device == "cpu" and fastest == "fp32" else 0
    loops = f", {ours} layers of {recipe.backbone} by loops compiled for it" if ours else ""
    return fastest, f"measured {', '.join(told)} training images/s: {fastest}{loops}"


def _stepper(
    network: Network, images: Tensor, precision: Precision, device: str, *, compiled: bool = False
) -> Callable[[], None]:
    """A function that passes the images forward and backward through a copy of the network, which its first
    call makes: until then it takes no memory from others."""

    @cache
    def prepared() -> tuple[Fabric, nn.Module, Tensor]:
        fabric = make_fabric(precision, device)
        model = copy.deepcopy(network).train().to(memory_format=torch.channels_last)
        wrapped = fabric.setup(compile_network(model) if compiled else model)
        return fabric, wrapped, fabric.to_device(images).to(memory_format=torch.channels_last)

    def step() -> None:
        fabric, wrapped, batch = prepared()
        outputs = wrapped(batch)
        fabric.backward(torch.stack([output.float().square().mean() for output in outputs.values()]).sum())

    return step


def time_in_turns(steppers: dict[K, Callable[[], None]], device: str) -> dict[K, list[float]]:
    """Seconds of `_STEPS` steps of each, `_ROUNDS` times, after a lap that compiles and allocates.

    The hopeless have one time only: without instructions for it, bf16 takes ten times as long as fp32. What
    runs out of memory has none and is taken out of `steppers`, so that the others have its memory.
    """
    seconds: dict[K, list[float]] = {name: [] for name in steppers}
    for lap in range(1 + _ROUNDS):
        fastest = min(min(times, default=math.inf) for times in seconds.values())
        for name in [*steppers]:
            if min(seconds[name], default=0) > _HOPELESS * fastest:
                continue
            try:
                took = let_go(partial(_time, steppers[name], device))
                seconds[name] += [took] if lap else []
            except Exhausted:
                seconds[name].clear()
                del steppers[name]
    return seconds


def _time(stepper: Callable[[], None], device: str) -> float:
    _synchronise(device)
    start = time.perf_counter()
    for _ in range(_STEPS):
        stepper()
    _synchronise(device)
    return time.perf_counter() - start


def compile_network(network: nn.Module) -> nn.Module:
    """The network compiled on its first call, with the same parameters."""
    compiled: nn.Module = torch.compile(network)  # type: ignore[assignment]
    return compiled


def _generators(device: str) -> list[str]:
    """Those of random numbers, beside the CPU's, that computing there moves on: not every GPU's."""
    return [device] if device == "cuda" else []


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
