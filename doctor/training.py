"""One step of a network, from crops to changed weights."""

from __future__ import annotations

import math
import resource
import time
from typing import Final, Literal

import torch
from torch.nn.functional import cross_entropy

from doctor.crops import draw_crops, encoded
from doctor.finding import Finding
from doctor.pixels import COUNT, graph_of
from faces.labels import CONTEST
from pipeline.augment import POLICIES
from pipeline.draws import draw
from pipeline.engine import Engine
from train.descent.optimiser import make_optimiser
from train.engine.precision import make_fabric
from train.network.model import build_model
from train.recipe.recipe import Precision, Recipe

RECIPE: Final = Recipe(tasks=("mask",), backbone="resnet10t", image_size=64, augment="strong")


def step(device: Literal["cpu", "cuda"], precision: Precision) -> Finding:
    """One training step in this precision, on images that DALI makes on this device."""
    start = time.perf_counter()
    torch.manual_seed(0)
    fabric = make_fabric(precision, device)
    network = build_model(RECIPE, CONTEST).to(memory_format=torch.channels_last).train()
    before = [weights.detach().clone() for weights in network.heads.parameters()]
    model, optimiser = fabric.setup(network, make_optimiser(network, RECIPE.optimiser))
    loss = cross_entropy(
        model(_images(device))["mask"].float(), torch.arange(COUNT, device=fabric.device) % 3
    )
    fabric.backward(loss)
    optimiser.step()
    moved = [
        float((now.detach().cpu() - was).abs().max())
        for now, was in zip(network.heads.parameters(), before, strict=True)
    ]
    value = float(loss.detach())
    if not (math.isfinite(value) and 0 < max(moved) < 1):
        words = f"loss {value:.3g}, weights moved by {max(moved):.3g}"
        return Finding(words=words, cure="set another precision in the recipe, and report this")
    words = f"a training step in {time.perf_counter() - start:.1f} s, loss {value:.2f}, weights changed"
    return Finding(words=f"{words}; {_peak(device)}")


def _images(device: Literal["cpu", "cuda"]) -> torch.Tensor:
    graph = graph_of(
        POLICIES["strong"],
        "gpu" if device == "cuda" else "cpu",
        size=RECIPE.image_size,
        layout="channels_last",
    )
    jpegs = [encoded(crop, "JPEG") for crop in draw_crops(COUNT)]
    parameters = graph.parameters(draw(graph.policy, COUNT, epoch=0, seed=0))
    (images,) = Engine(graph, batch_size=COUNT, threads=1).run(iter([[jpegs, *parameters.values()]]))
    return images


def _peak(device: Literal["cpu", "cuda"]) -> str:
    """Most memory that this process took."""
    if device == "cuda":
        return f"{torch.cuda.max_memory_reserved() / 2**30:.2f} GiB of its memory"
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB of memory"
