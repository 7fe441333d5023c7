"""What the steps on exhausted memory make of what training says; what it does is held by its own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from doctor.gpu_check import exhausted
from doctor.gpu_check.place import Place
from faces.cache.reader import Cache
from train.assemble import FoldPlan

PLACE = Place(folder=Path("unused"), device="cuda", people=8)
GIB = 2**30


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, coloured: Cache) -> Callable[..., list[int]]:
    """Let trainings end as told, in turn: with an error, or saying a line; their batches in the end."""

    def prepare(*endings: ValueError | str) -> list[int]:
        batches: list[int] = []

        def train(plan: FoldPlan, watch: exhausted.Listener) -> None:
            ending = endings[len(batches)]
            batches.append(plan.recipe.batch_size)
            if isinstance(ending, ValueError):
                raise ending
            watch.say(ending)

        monkeypatch.setattr(exhausted, "train_fold", train)
        return batches

    for name in ("set_per_process_memory_fraction", "empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (8 * GIB, 10 * GIB))
    monkeypatch.setattr(exhausted, "drawn_cache", lambda _: coloured)
    return prepare


def test_the_batch_that_is_said_to_fit_is_trained(trained: Callable[..., list[int]]) -> None:
    batches = trained(ValueError("batch_size=36: out of memory on GPU 0 (x); a batch_size of 9 fits; y"), "")
    found = exhausted.step(PLACE)
    assert found.good and batches == [36, 9]


def test_memory_that_is_not_told_of_is_a_fault(trained: Callable[..., list[int]]) -> None:
    trained("")
    assert "it fitted" in exhausted.step(PLACE).words
    trained(ValueError("not even 2 fit"))
    assert exhausted.step(PLACE).cure


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("fold 0: precision auto measured fp32 out of memory, bf16 9, fp16 8 training images/s: bf16", True),
        ("fold 0: precision auto measured fp32 7, bf16 9, fp16 8 training images/s: bf16", False),
        ("fold 0: resnet18", False),
    ],
)
def test_auto_must_drop_what_does_not_fit(
    trained: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch, line: str, good: bool
) -> None:
    peaks, fractions = iter([6 * GIB, 2 * GIB, 3 * GIB]), []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: next(peaks))
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", fractions.append)
    monkeypatch.setattr(exhausted, "measure_precisions", lambda *_, without: {})
    trained(line)
    assert exhausted.auto(PLACE).good == good
    assert fractions == [0.45]  # in the middle of 6 and 3 of 10 GiB


@pytest.mark.parametrize(("told", "good"), [("out of memory on GPU 0", True), ("a crop is damaged", False)])
def test_dalis_memory_must_be_told_as_such(
    trained: Callable[..., list[int]], monkeypatch: pytest.MonkeyPatch, told: str, good: bool
) -> None:
    monkeypatch.setattr(torch, "empty", lambda *_, **__: None)
    batches = trained(ValueError(told), "")
    assert exhausted.loader(PLACE).good == good
    assert len(batches) == 1 + good
