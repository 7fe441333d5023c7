"""Memory that runs out: nothing of what filled it stays, and the batch size that is named can be trained."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from faces.cache.reader import Cache
from faces.failures import exhaustion_in_words, lacks_memory
from pipeline import damage
from pipeline.augment import POLICIES
from pipeline.loader import Loader
from tests.helpers.graphs import graph_of
from tests.train.engine.test_step import RECIPE, plan
from train.engine import precision
from train.engine.exhaustion import Exhausted, let_go
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.network import Optimiser
from train.run_folder import resolve_precision

pytestmark = pytest.mark.usefixtures("no_pictures")
ADAM = dataclasses.replace(RECIPE, epochs=1, optimiser=Optimiser(name="adamw", lr=1e-3))
# Much more memory for a batch's activations than for weights, gradients and moments.
DEEP = dataclasses.replace(ADAM, backbone="test_resnet", image_size=96)


class Allocator(TorchDispatchMode):
    """Counts the bytes of every tensor that is alive, and refuses those beyond a limit as a GPU does."""

    def __init__(self, limit: float = float("inf")) -> None:
        super().__init__()
        self.limit, self.alive, self.most = limit, 0, 0
        self._counted: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and tensor.device.type == "cpu":
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        address, size = storage.data_ptr(), storage.nbytes()
        if not size or address in self._counted:
            return
        if self.alive + size > self.limit:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {size} bytes.")
        self.alive, self.most = self.alive + size, max(self.most, self.alive + size)
        self._counted[address] = weakref.ref(storage, lambda _: self._forget(address, size))

    def _forget(self, address: int, size: int) -> None:
        self.alive -= size
        del self._counted[address]


def peak(cache: Cache, folder: Path, batch_size: int) -> int:
    """The most bytes of a training at once."""
    with Allocator() as allocator:
        train_fold(plan(cache, folder, dataclasses.replace(DEEP, batch_size=batch_size)), Watch())
    return allocator.most


def test_the_batch_size_that_is_named_fits_and_twice_it_does_not(coloured: Cache, tmp_path: Path) -> None:
    """All tensors are really held: what of the failed step stayed would leave no room for half its batch."""
    half, whole = peak(coloured, tmp_path / "half", 8), peak(coloured, tmp_path / "whole", 16)
    assert half < 0.9 * whole
    told = (
        r"^batch_size=16: out of memory on cpu \(CUDA .* 8 fits; with .*accumulate = 2 a step sees 16 photos$"
    )
    with Allocator((half + whole) / 2), pytest.raises(ValueError, match=told):
        train_fold(plan(coloured, tmp_path / "tried", DEEP), Watch())


def test_where_not_even_two_photos_fit_that_is_said(coloured: Cache, tmp_path: Path) -> None:
    with (
        Allocator(1e6),
        pytest.raises(ValueError, match="not even 2 fit: end other programs, or use a smaller"),
    ):
        train_fold(plan(coloured, tmp_path, dataclasses.replace(ADAM, batch_size=4)), Watch())


def test_nothing_of_work_that_failed_stays_alive() -> None:
    """Also of things that name each other, as networks and what wraps them do."""
    alive: list[weakref.ref[torch.nn.Module]] = []

    def work() -> None:
        network = torch.nn.Linear(2, 2)
        network.wrapped = [network]
        alive.append(weakref.ref(network))
        torch.empty(2**60)

    try:
        let_go(work)
    except Exhausted as error:
        assert "can't allocate memory" in str(error)
        assert alive[0]() is None
    with pytest.raises(RuntimeError, match="shapes"):  # another error is none of this
        let_go(lambda: torch.ones(2, 3) @ torch.ones(2, 3))


DALI = """Critical error in pipeline:
Error in GPU operator `nvidia.dali.fn.decoders.image`,
which was used in the pipeline definition with the following traceback:

  File "pipeline/graph.py", line 92, in decode

encountered:

{}
Current pipeline object is no longer valid."""


@pytest.mark.parametrize(
    "told",
    [
        "Can't allocate 129499136 bytes on device 0.",  # dali/core/cuda_error.h
        "CUDA allocation failed",
        "std::bad_alloc",
        "CUDA runtime API error cudaErrorMemoryAllocation (2):\nout of memory",
        'nvJPEG error "5" : NVJPEG_STATUS_ALLOCATOR_FAILURE',
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_exhaustion_inside_a_library_is_recognised_and_told(told: str) -> None:
    error = RuntimeError(DALI.format(told))
    assert lacks_memory(error)
    assert exhaustion_in_words(error) == told.splitlines()[-1]


@pytest.mark.parametrize("told", ["mat1 and mat2 shapes cannot be multiplied", "can't start new thread"])
def test_other_errors_are_not_of_memory(told: str) -> None:
    assert not lacks_memory(RuntimeError(told))
    assert exhaustion_in_words(RuntimeError(told)) == told


def test_dalis_exhaustion_in_validation_is_found_before_the_first_step(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after an epoch, by when torch has all of the card; and it is answered with a batch that fits."""
    epoch, seen = Loader.epoch, []

    def loaded(self: Loader, number: int, start_batch: int = 0) -> Any:
        name = "training" if self.sampler.training else "validation"
        seen.append((name, self.batch_size))
        if name == "validation" and self.batch_size > 4:
            raise RuntimeError(DALI.format("Can't allocate 129499136 bytes on device 0."))
        return epoch(self, number, start_batch)

    monkeypatch.setattr(Loader, "epoch", loaded)
    with pytest.raises(ValueError, match=r"^batch_size=16: .*\(Can't allocate 129.* a batch_size of 4 fits"):
        train_fold(plan(coloured, tmp_path, ADAM), Watch())
    assert seen == [("validation", 16), ("validation", 8), ("validation", 4), ("training", 4)]


@pytest.mark.slow
def test_crops_are_not_called_damaged_where_memory_lacks(
    coloured: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise RuntimeError(DALI.format("CUDA allocation failed"))

    monkeypatch.setattr(damage, "decoded_shapes", full)
    graph = graph_of(POLICIES["none"], 32, codec="jpeg", source_size=64)
    whole = encoded(64)
    with pytest.raises(RuntimeError, match="CUDA allocation failed"):
        damage.damaged_among(graph, np.arange(2), [whole, whole])
    huge = encoded(64)
    huge[np.flatnonzero((huge[:-1] == 0xFF) & (huge[1:] == 0xC0))[0] + 5 :][:4] = 0xFF  # height and width
    assert [*damage.damaged_among(graph, np.arange(1), [huge])] == [0]


def encoded(side: int) -> np.ndarray:
    return cv2.imencode(".jpg", np.zeros((side, side, 3), np.uint8))[1].reshape(-1)


class Lines(Watch):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.mark.parametrize(
    ("fitting", "chosen"), [({"bf16"}, "bf16"), ({"fp32", "bf16"}, "fp32"), (set(), "bf16")]
)
def test_a_precision_that_runs_out_of_memory_is_dropped_and_said(
    fitting: set[str], chosen: str, coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(precision, "candidates", lambda _: ("fp32", "bf16"))
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])

    def stepper(network: object, images: torch.Tensor, name: str, device: str) -> Callable[[], None]:
        def step() -> None:
            now[0] += {"fp32": 1.0, "bf16": 2.0}[name]
            if name not in fitting:
                raise torch.OutOfMemoryError("CUDA out of memory.")

        return step

    monkeypatch.setattr(precision, "_stepper", stepper)
    monkeypatch.setattr("train.run_folder._MEASURED", {})
    watch = Lines()
    wanted = plan(coloured, tmp_path, dataclasses.replace(RECIPE, precision="auto"))
    assert resolve_precision(wanted, watch).precision == chosen
    (line,) = watch.lines
    for name, told in (("fp32", "fp32 16"), ("bf16", "bf16 8")):
        assert (told if name in fitting else f"{name} out of memory") in line
