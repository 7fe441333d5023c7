"""A GPU's memory that does not suffice, in three forms: what is said of it, and whether it is true."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import Final

import torch

from doctor.finding import Finding
from doctor.gpu_check.place import Place, drawn_cache
from faces.cache.reader import Cache
from train.assemble import FoldPlan
from train.engine.precision import measure_precisions
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.model import build_model
from train.recipe.recipe import Precision, Recipe

SHARE: Final = 0.03
"""Of the GPU's memory that torch may take."""
LEFT: Final = 64 * 2**20
"""Bytes of the GPU's memory that are left to DALI."""
TORCHS: Final = 2**30
"""Bytes of it that torch still has for the network."""
RECIPE: Final = Recipe(tasks=("mask",), backbone="resnet18", image_size=224, epochs=1, batch_size=8)


class Listener(Watch):
    """Keeps and prints what training says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        print(line, flush=True)
        self.lines.append(line)


def step(place: Place) -> Finding:
    """A batch beyond the memory: the batch that is said to fit does."""
    cache = drawn_cache(place)
    recipe = replace(RECIPE, precision="fp32")
    torch.cuda.set_per_process_memory_fraction(SHARE)
    told, batch = "", _largest(cache)
    try:
        train_fold(_plan(place, cache, replace(recipe, batch_size=batch), "large"), Listener())
    except ValueError as error:
        told = str(error)
    print(told, flush=True)
    fits = re.search(r"a batch_size of (\d+)", told)
    if not fits:
        words = (
            f"a batch of {batch} in {SHARE:.0%} of the memory: {told or 'it fitted, so that nothing is told'}"
        )
        return Finding(words=words, cure="see its log")
    train_fold(_plan(place, cache, replace(recipe, batch_size=int(fits[1])), "fitting"), Listener())
    return Finding(
        words=f"a batch of {batch} did not fit, the {fits[1]} that were said to fit trained an epoch"
    )


def auto(place: Place) -> Finding:
    """Memory that suffices for half precision only: auto drops fp32, says so, and trains."""
    cache = drawn_cache(place)
    batch = _largest(cache)
    network = build_model(RECIPE, cache.label_set, initialise=False)
    whole = torch.cuda.mem_get_info()[1]
    peaks = {}
    every: tuple[Precision, ...] = ("fp32", "bf16", "fp16")
    for precision in every:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        others = [each for each in every if each != precision]
        measure_precisions(network, batch, RECIPE.image_size, "cuda", without=others)
        peaks[precision] = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    print(f"memory at a batch of {batch}: {peaks}", flush=True)
    halves = max(peaks["bf16"], peaks["fp16"])
    torch.cuda.set_per_process_memory_fraction((peaks["fp32"] + halves) / 2 / whole)
    watch = Listener()
    train_fold(_plan(place, cache, replace(RECIPE, batch_size=batch), "auto"), watch)
    chosen = next((line for line in watch.lines if "precision auto" in line), "")
    if "fp32 out of memory" not in chosen or not chosen.endswith((": bf16", ": fp16")):
        return Finding(words=chosen or "nothing was said of auto", cure="see its log")
    return Finding(words=chosen.partition(": ")[2])


def loader(place: Place) -> Finding:
    """No memory left for DALI: it is told as exhaustion, and with the memory back the fold trains."""
    cache = drawn_cache(place)
    recipe = replace(RECIPE, precision="fp32", batch_size=64)
    own = torch.empty(TORCHS, dtype=torch.uint8, device="cuda")
    kept = torch.empty(torch.cuda.mem_get_info()[0] - LEFT, dtype=torch.uint8, device="cuda")
    del own  # torch keeps it for itself, so that it is DALI that finds none
    told = ""
    try:
        train_fold(_plan(place, cache, recipe, "filled"), Listener())
    except ValueError as error:
        told = str(error)
    print(told, flush=True)
    del kept
    torch.cuda.empty_cache()
    if "out of memory" not in told:
        return Finding(words=f"without memory for DALI: {told or 'it trained'}", cure="see its log")
    train_fold(_plan(place, cache, recipe, "freed"), Listener())
    return Finding(words=f"told as it is, and trained with the memory back: {told}"[:300])


def _largest(cache: Cache) -> int:
    """About half of the photos, which one fold of five always trains on."""
    return max(2, len(cache) // 2)


def _plan(place: Place, cache: Cache, recipe: Recipe, name: str) -> FoldPlan:
    folder = place.folder / "exhausted" / name
    shutil.rmtree(folder, ignore_errors=True)
    return FoldPlan(
        recipe=recipe,
        cache=cache,
        fold=0,
        folds=5,
        fold_seed=0,
        folder=folder,
        device=place.device,
        threads=2,
    )
