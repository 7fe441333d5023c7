"""Exhausted memory of a GPU; `pytest -m gpu` runs these alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from faces.cache.reader import Cache
from tests.train.engine.test_step import plan
from tests.train.test_memory import Lines
from train.engine.exhaustion import Exhausted, let_go
from train.engine.precision import make_fabric
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.model import build_model
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe
from train.run_folder import resolve_precision

pytestmark = [pytest.mark.gpu, pytest.mark.usefixtures("no_pictures")]
RECIPE = Recipe(
    tasks=("mask", "gender"),
    backbone="resnet18",
    image_size=128,
    epochs=1,
    batch_size=48,
    precision="fp32",
    optimiser=Optimiser(name="adamw", lr=1e-3),
)


@pytest.fixture(autouse=True)
def _whole_card() -> Iterator[None]:
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def allow(most: float) -> None:
    """Let torch have no more than this of the card."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(most / torch.cuda.get_device_properties(0).total_memory)


def peak(cache: Cache, folder: Path, batch_size: int) -> int:
    """The most bytes that torch holds of the card in a training."""
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    recipe = dataclasses.replace(RECIPE, batch_size=batch_size)
    train_fold(plan(cache, folder, recipe, device="cuda"), Watch())
    return torch.cuda.max_memory_allocated()


def test_the_batch_size_that_is_named_fits_and_twice_it_does_not(coloured: Cache, tmp_path: Path) -> None:
    half, whole = peak(coloured, tmp_path / "half", 24), peak(coloured, tmp_path / "whole", 48)
    # The allocator's blocks are larger than what is asked for.
    allow(half + 0.7 * (whole - half))
    with pytest.raises(
        ValueError, match=r"^batch_size=48: out of memory on GPU 0 .* a batch_size of 24 fits"
    ):
        train_fold(plan(coloured, tmp_path / "tried", RECIPE, device="cuda"), Watch())
    assert torch.cuda.memory_allocated() < half
    train_fold(
        plan(coloured, tmp_path / "named", dataclasses.replace(RECIPE, batch_size=24), device="cuda"), Watch()
    )


def test_a_precision_that_runs_out_of_memory_is_dropped(coloured: Cache, tmp_path: Path) -> None:
    """None of the three fits where less is allowed than the batch's activations take in half precision."""
    watch = Lines()
    allow(64 * 2**20)
    wanted = plan(
        coloured, tmp_path, dataclasses.replace(RECIPE, precision="auto", image_size=224), device="cuda"
    )
    resolve_precision(wanted, watch)
    assert "fp32 out of memory" in watch.lines[0]


def test_what_failed_gives_the_card_back() -> None:
    before = torch.cuda.memory_reserved()

    def work() -> None:
        held = [torch.empty(2**26, device="cuda")]
        allow(torch.cuda.memory_reserved() + 2**20)
        held.append(torch.empty(2**26, device="cuda"))

    with pytest.raises(Exhausted, match="out of memory"):
        let_go(work)
    assert torch.cuda.memory_reserved() <= before


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_a_process_tries_out_on_its_own_gpu(coloured: Cache) -> None:
    with torch.cuda.device(1):
        model = make_fabric("fp32", "cuda").setup(build_model(RECIPE, coloured.label_set, initialise=False))
        assert {each.device.index for each in model.parameters()} == {1}
