"""The measurement of whether training waits: its form and its arithmetic; no speed is asserted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
import torch

from bench.train import turns
from bench.train.command import BenchTrainSettings, bench
from bench.train.turns import ALONE, READY, REAL, WARM_STEPS, TrainRow, compare, shared_cores, take_turn
from faces.cache.reader import Cache
from pipeline.loader import Batch
from train.engine.compute import Compute

TINY = 'tasks = ["mask"]\nbackbone = "test_resnet"\nimage_size = 32\nbatch_size = 8\nprecision = "fp32"\n'


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that stands still but for what is added to it."""
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(turns.time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(turns.time, "process_time", lambda: now["cpu"])
    return now


def test_a_turn_tells_waiting_from_working_and_leaves_out_its_first_steps(clock: dict[str, float]) -> None:
    served = count()

    def batches() -> Iterator[Batch]:
        while True:
            clock["wall"] += 1000.0 if next(served) < WARM_STEPS else 1.0
            yield torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64)

    def step(images: torch.Tensor, rows: torch.Tensor) -> None:
        assert len(images) == len(rows) == 4
        clock["wall"] += 3.0
        clock["cpu"] += 5.0

    def synchronise() -> None:
        clock["wall"] += 2.0  # the device is still at work when the last step returns

    turn = take_turn(batches(), step, 10, synchronise)
    assert (turn.images, turn.waiting, turn.wall, turn.cpu) == (40, 10.0, 42.0, 50.0)
    alone = take_turn(batches(), None, 10, lambda: None)
    assert (alone.images, alone.waiting, alone.wall, alone.cpu) == (40, 10.0, 10.0, 0.0)


def timed(clock: dict[str, float], waiting: list[float], working: list[float]) -> turns.Way:
    """A way whose turns of one batch of 100 images cost what the lists say, and nothing to warm up."""
    waits, works, served = iter(waiting), iter(working), count()

    def batches() -> Iterator[Batch]:
        while True:
            clock["wall"] += 0 if next(served) % (WARM_STEPS + 1) < WARM_STEPS else next(waits)
            yield torch.zeros(100, 1), torch.zeros(100, dtype=torch.int64)

    stepped = count()

    def step(*_: torch.Tensor) -> None:
        if next(stepped) % (WARM_STEPS + 1) == WARM_STEPS:
            clock["wall"] += next(works)
            clock["cpu"] += 0.01

    return batches(), step


def test_ratios_are_to_the_turn_beside_and_the_first_is_not_counted(clock: dict[str, float]) -> None:
    ways = {
        REAL: timed(clock, [90.0, 0.5, 0.5, 2.0], [90.0, 1.5, 2.0, 2.0]),
        READY: timed(clock, [50.0, 0.0, 0.0, 0.0], [50.0, 1.0, 2.0, 4.0]),
    }
    real, ready = compare(ways, steps=1, repetitions=3, synchronise=lambda: None)
    assert (real.ratio_min, real.ratio, real.ratio_max) == (0.5, 0.8, 1.0)
    assert (real.min, real.images_per_s, real.max) == (25, 40, 50)
    assert real.waiting == 0.25 and real.cpu_us == 100
    assert ready.ratio_min == ready.ratio_max == 1 and ready.waiting == 0


def test_on_shared_cores_the_loaders_own_time_is_lost() -> None:
    def row(name: str, cpu_us: float) -> TrainRow:
        zeros = dict.fromkeys(
            ("images_per_s", "min", "max", "ratio", "ratio_min", "ratio_max", "waiting"), 0.0
        )
        return TrainRow(name=name, cpu_us=cpu_us, **zeros)

    assert shared_cores([row(REAL, 7), row(READY, 900), row(ALONE, 100)]) == pytest.approx(0.9)


def test_bench_writes_the_stated_form(coloured: Cache, tmp_path: Path) -> None:
    recipe, out = tmp_path / "tiny.toml", tmp_path / "made" / "train.json"
    recipe.write_text(TINY + 'pretrained = true\n[mixing]\nname = "mixup"\n')
    compute = Compute(device="cpu")
    rule = {"folds": 3, "compute": compute, "steps": 8, "repetitions": 2}
    bench(BenchTrainSettings(recipe=recipe, cache=coloured.folder, out=out, **rule))
    report = json.loads(out.read_text())
    assert {"machine", "versions", "command", "conditions", "rows"} <= set(report)
    assert [row["name"] for row in report["rows"]] == [REAL, READY, ALONE]
    for row in report["rows"]:
        assert 0 < row["min"] <= row["images_per_s"] <= row["max"] and row["cpu_us"] > 0
        assert 0 <= row["waiting"] <= 1 and 0 < row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
    real, ready, alone = report["rows"]
    assert ready["ratio_min"] == ready["ratio_max"] == 1
    assert alone["waiting"] > max(real["waiting"], ready["waiting"])
    conditions = report["conditions"]
    lost = conditions["ratio if only the loader's CPU time is lost"]
    assert lost == pytest.approx(1 / (1 + alone["cpu_us"] / ready["cpu_us"]), abs=1e-3)
    assert (conditions["recipe"], conditions["mixing"], conditions["precision"]) == ("tiny", "mixup", "fp32")
    assert conditions["training photos"] == 48
    assert out.with_suffix(".png").stat().st_size > 1000


def test_bench_without_a_cache_says_what_to_run(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY)
    with pytest.raises(ValueError, match="make bench-train"):
        bench(BenchTrainSettings(recipe=recipe, cache=tmp_path / "none"))


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("repetitions", 0), ("torch_threads", -1)])
def test_bad_settings_are_named(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be at least .*got {value}"):
        BenchTrainSettings(**{name: value})
