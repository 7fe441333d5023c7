"""Where and in which arithmetic to compute: bf16 speeds dense networks and slows depthwise ones on CPUs."""

from __future__ import annotations

import copy
import os
import statistics
import time
from typing import Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor, nn

from train.recipe import Precision

CANDIDATES: dict[str, tuple[Precision, ...]] = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "bf16", "fp16")}
_STEPS = 3
_ROUNDS = 3


def choose_device(wanted: Literal["auto", "cpu", "cuda"]) -> str:
    """`cpu` or `cuda`.

    Raises:
        ValueError: a GPU was demanded and torch sees none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("device=cuda: torch sees no usable GPU here; use device=auto or cpu")
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def loader_threads(device: str) -> int:
    """Threads of the loader: on a CPU the network needs the cores more, beside a GPU up to 8."""
    return 1 if device == "cpu" else min(8, os.cpu_count() or 1)


def make_fabric(precision: Precision, device: str) -> Fabric:
    """One process on `device` ("cpu" or "cuda") computing in `precision`; fp16 scales its loss.

    The plugin is made here because the engine's own choice silently turns fp16 into bf16 on a CPU.
    """
    if precision == "fp32":
        return Fabric(accelerator=device, devices=1, precision="32-true")
    plugin = MixedPrecision("16-mixed" if precision == "fp16" else "bf16-mixed", device)
    return Fabric(accelerator=device, devices=1, plugins=[plugin])


def measure_precisions(
    network: nn.Module, batch_size: int, image_size: int, device: str
) -> dict[Precision, float]:
    """Training images a second of a copy of the network, by precision.

    The candidates take turns, so that a change of the machine's speed meets all of them; the median counts.
    Neither the network nor the state of torch's random numbers changes.
    """
    steppers = {}
    with torch.random.fork_rng():
        images = torch.randn(batch_size, 3, image_size, image_size)
        for precision in CANDIDATES[device]:
            fabric = make_fabric(precision, device)
            model = copy.deepcopy(network).train().to(memory_format=torch.channels_last)
            wrapped = fabric.setup(model)
            batch = fabric.to_device(images).to(memory_format=torch.channels_last)

            def step(fabric: Fabric = fabric, model: nn.Module = wrapped, batch: Tensor = batch) -> None:
                fabric.backward(model(batch).square().mean())

            steppers[precision] = step
        seconds: dict[Precision, list[float]] = {precision: [] for precision in steppers}
        for lap in range(1 + _ROUNDS):
            for precision, stepper in steppers.items():
                _synchronise(device)
                start = time.perf_counter()
                for _ in range(_STEPS):
                    stepper()
                _synchronise(device)
                if lap:  # the first lap compiles and allocates
                    seconds[precision].append(time.perf_counter() - start)
    return {p: _STEPS * batch_size / statistics.median(times) for p, times in seconds.items()}


def _synchronise(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
