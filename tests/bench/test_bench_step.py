"""The measurement of training steps: its form and its arithmetic; no speed is asserted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import nn

from bench.train import step_speed
from bench.train.step import BenchStepSettings, backbone_table, bench
from bench.train.step_rows import BASELINE, Timing, Variant, best_row, make_rows
from bench.train.step_speed import Work, eager_variants, make_stepper, measure_backbone, race, turns
from train.engine.precision import make_fabric
from train.loops import norm
from train.loops.threads import run_parts

LAST = Variant(precision="fp32")
HALF = Variant(precision="bf16")
COMPILED = Variant(precision="bf16", compiled=True)
OURS = Variant(precision="fp32", loops=True)
WORK = Work(image_size=32, batch_size=4, steps=1, repetitions=2, device="cpu")


def tiny(out: Path, **options: Any) -> BenchStepSettings:
    sizes = {"image_size": 32, "batch_size": 4, "steps": 1, "repetitions": 2}
    return BenchStepSettings(backbones=("test_resnet",), device="cpu", out=out, **sizes, **options)


def nothing(*_: object) -> None:
    pass


@pytest.fixture(autouse=True)
def bf16_is_a_candidate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the processor of the tests has instructions for."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """A clock that stands still but for what is added to it."""
    now = {"s": 0.0}
    monkeypatch.setattr(step_speed.time, "perf_counter", lambda: now["s"])
    return now


def test_variants_take_turns_and_the_first_lap_is_not_counted(clock: dict[str, float]) -> None:
    order: list[Variant] = []

    def maker(variant: Variant, seconds: list[float]) -> Callable[[], Callable[[], None]]:
        costs = iter(seconds)

        def step() -> None:
            order.append(variant)
            clock["s"] += next(costs)

        return lambda: step

    work = Work(image_size=32, batch_size=4, steps=2, repetitions=2, device="cpu")
    timings = race(
        {
            BASELINE: maker(BASELINE, [50, 60, 60, 1, 1, 2, 2]),
            LAST: maker(LAST, [90, 70, 70, 3, 5, 4, 6]),
        },
        work,
        nothing,
        nothing,
    )
    assert (timings[BASELINE].first, timings[BASELINE].seconds) == (50, [2, 4])
    assert (timings[LAST].first, timings[LAST].seconds) == (90, [8, 10])
    assert order == [BASELINE] * 3 + [LAST] * 3 + 2 * ([BASELINE] * 2 + [LAST] * 2)


def test_who_fails_is_out_and_says_why_and_the_others_go_on() -> None:
    calls = {LAST: 0, HALF: 0}

    def cannot() -> Callable[[], None]:
        raise RuntimeError("backend='x' raised:\nno compiler\nmore")

    def step(variant: Variant) -> None:
        calls[variant] += 1
        if variant == HALF and calls[HALF] == 4:
            raise ValueError("in the second counted turn")

    makers: dict[Variant, Callable[[], Callable[[], None]]] = {
        BASELINE: lambda: nothing,
        LAST: lambda: lambda: step(LAST),
        HALF: lambda: lambda: step(HALF),
        COMPILED: cannot,
    }
    begun: list[tuple[Variant, int]] = []
    ended: list[None] = []
    timings = race(makers, WORK, lambda *turn: begun.append(turn), lambda: ended.append(None))
    assert timings[HALF].failure == "ValueError: in the second counted turn"
    assert timings[COMPILED].failure == "RuntimeError: no compiler"
    assert not timings[BASELINE].failure and not timings[LAST].failure
    assert len(timings[LAST].seconds) == 2 and calls[LAST] == 4
    assert [lap for variant, lap in begun if variant == COMPILED] == [0]
    assert len(ended) == 12  # the progress bar reaches its end whoever fails

    rows = make_rows("net", timings, 4)
    assert [row.images_per_s is None for row in rows] == [False, False, True, True]
    assert [bool(row.failure) for row in rows] == [False, False, True, True]


def test_ratios_are_to_the_baselines_turn_of_the_same_lap() -> None:
    timings = {
        BASELINE: Timing(seconds=[1.0, 2.0, 4.0]),
        COMPILED: Timing(first=61.04, seconds=[0.5, 2.5, 2.0]),
    }
    base, row = make_rows("net", timings, 100)
    assert (base.ratio_min, base.ratio, base.ratio_max) == (1, 1, 1)
    assert (row.ratio_min, row.ratio, row.ratio_max) == (0.8, 2, 2)
    assert (row.min, row.images_per_s, row.max) == (40, 50, 200)
    assert (base.compile_s, row.compile_s) == (None, 61.0)
    assert best_row([base, row]) is row


def test_without_the_baseline_there_are_speeds_but_no_ratios() -> None:
    base, row = make_rows("net", {BASELINE: Timing(failure="why"), LAST: Timing(seconds=[1.0])}, 8)
    assert base.failure == "why" and row.images_per_s == 8 and row.ratio is None
    assert best_row([base, row]) is None


def test_fp16_is_for_gpus() -> None:
    names = [variant.name for variant in eager_variants("cuda")]
    assert names == ["fp32", "fp32, channels_last", "bf16, channels_last", "fp16, channels_last"]
    assert eager_variants("cpu") == [*eager_variants("cuda")[:3], OURS]
    frozen = Variant(precision="fp32", loops=True, frozen_layers=2)
    assert eager_variants("cpu", 2) == [*eager_variants("cpu"), frozen]
    assert frozen.name == "fp32, our loops, 2 frozen"


@pytest.mark.parametrize("variant", [BASELINE, HALF], ids=lambda variant: variant.name)
def test_a_step_trains_all_of_the_network_in_the_layout_named(
    variant: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[nn.Module] = []
    seen: list[torch.Tensor] = []

    def build(*args: Any) -> nn.Module:
        network = build_model(*args)
        network.register_forward_pre_hook(lambda _, images: seen.append(images[0]))
        built.append(network)
        return network

    build_model = step_speed.build_model
    monkeypatch.setattr(step_speed, "build_model", build)
    step = make_stepper("test_resnet", variant, WORK)
    (network,) = built
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    for _ in range(2):  # the first has no gradient behind normalisations that begin at zero
        step()
    after = dict(network.named_parameters())
    assert network.training and all(value.grad is None for value in after.values())
    assert any(name.startswith("heads") for name in before)
    assert [name for name in before if torch.equal(before[name], after[name])] == []
    kernel = next(value for value in after.values() if value.ndim == 4 and value.shape[1] > 1)
    for tensor in (kernel, seen[0]):
        assert tensor.is_contiguous(memory_format=torch.channels_last) == variant.channels_last
        assert tensor.is_contiguous() != variant.channels_last


def test_bench_writes_the_stated_form(tmp_path: Path) -> None:
    out = tmp_path / "made" / "step.json"
    bench(tiny(out, compile=False))
    report = json.loads(out.read_text())
    assert {"machine", "versions", "command", "conditions", "rows"} == set(report)
    assert report["conditions"]["repetitions"] == 2 and report["conditions"]["image"] == 32
    assert [row["name"] for row in report["rows"]] == [each.name for each in (BASELINE, LAST, HALF, OURS)]
    for row in report["rows"]:
        assert row["backbone"] == "test_resnet" and not row["failure"] and row["compile_s"] is None
        assert 0 < row["min"] <= row["images_per_s"] <= row["max"]
        assert 0 < row["ratio_min"] <= row["ratio"] <= row["ratio_max"]
    base = report["rows"][0]
    assert base["ratio_min"] == base["ratio"] == base["ratio_max"] == 1
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_without_a_compiler_its_row_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_network(network: nn.Module) -> nn.Module:
        raise RuntimeError("no C++ compiler")

    def fabric(precision: str, device: str) -> Any:
        if precision == "bf16":
            raise RuntimeError("no bf16 here")
        return make_fabric("fp32", device)

    monkeypatch.setattr(step_speed, "compile_network", compile_network)
    monkeypatch.setattr(step_speed, "make_fabric", fabric)
    out = tmp_path / "step.json"
    rows = bench(tiny(out))
    assert [row.failure for row in rows] == [
        "",
        "",
        "RuntimeError: no bf16 here",
        "",
        "RuntimeError: no C++ compiler",
    ]
    assert [row["failure"] for row in json.loads(out.read_text())["rows"]] == [row.failure for row in rows]
    assert rows[4].name == "compiled, channels_last" and rows[4].precision == "fp32"
    assert "no C++ compiler" in str(backbone_table(rows).caption)
    assert out.with_suffix(".png").is_file()


@pytest.mark.slow
def test_a_backbone_that_does_not_take_the_size_fails_as_a_whole_and_alone() -> None:
    work, ended = Work(**{**vars(WORK), "image_size": 8}), []
    rows = measure_backbone("vit_tiny_patch16_224", work, compiled=True, begin=nothing, end=ended.append)
    assert sum(ended) == turns(WORK, compiled=True)
    assert all("image_size=8" in row.failure for row in rows[:4])
    assert rows[4].failure == "not tried, because fp32 failed"


def test_the_best_is_marked() -> None:
    timings = {
        BASELINE: Timing(seconds=[1.0]),
        HALF: Timing(seconds=[1.5]),
        COMPILED: Timing(seconds=[0.8]),
    }
    rows = make_rows("net", timings, 4)
    table = backbone_table(rows)
    assert [row.style for row in table.rows] == [None, None, "bold"]
    assert table.caption == "best: compiled, channels_last (bf16)"


def test_what_our_loops_gain_is_told_beside_the_same_layout_without() -> None:
    timings = {
        BASELINE: Timing(seconds=[4.0, 4.0], cpu=[8.0, 8.0]),
        LAST: Timing(seconds=[3.0, 3.0], cpu=[6.0, 5.0]),
        OURS: Timing(seconds=[2.0, 2.0], cpu=[2.5, 4.0]),
    }
    rows = make_rows("net", timings, 100)
    assert [row.cpu_ms for row in rows] == [80, 50, 25]
    told = str(backbone_table(rows).caption)
    assert 'precision = "auto" takes fp32, our loops' in told
    assert "channels_last: 1.50 times the images/s, 2.00 times by CPU time" in told


def test_frozen_layers_stay() -> None:
    variant = Variant(precision="fp32", loops=True, frozen_layers=1)
    step = make_stepper("test_efficientnet", variant, WORK)
    with patch.object(torch.optim.AdamW, "step", autospec=True) as moved:
        step()
    ((optimiser,), _) = moved.call_args
    shapes = [tuple(p.shape) for group in optimiser.param_groups for p in group["params"]]
    assert shapes and not any(shape[1:2] == (3,) for shape in shapes)  # of the stem, which sees RGB


@pytest.mark.parametrize("variant", [LAST, OURS], ids=lambda variant: variant.name)
def test_only_the_row_named_so_has_our_loops(variant: Variant, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[int] = []
    monkeypatch.setattr(
        norm, "run_parts", lambda work, edges: used.append(len(edges)) or run_parts(work, edges)
    )
    make_stepper("test_efficientnet", variant, WORK)()
    assert bool(used) == variant.loops


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
        ({"repetitions": 0}, "repetitions must be at least 1, got 0"),
        ({"backbones": ("resnet18", "resnet18")}, "each once"),
        ({"backbones": ()}, "at least one"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BenchStepSettings(**options)


def test_an_unknown_backbone_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'resnet81' is unknown: did you mean 'resnet18'"):
        bench(BenchStepSettings(backbones=("test_resnet", "resnet81"), out=tmp_path / "step.json"))
    assert not (tmp_path / "step.json").exists()


@pytest.mark.slow
def test_the_compiled_network_is_measured_beside_the_baseline(tmp_path: Path) -> None:
    rows = bench(tiny(tmp_path / "step.json"))
    compiled = rows[-1]
    assert compiled.name == "compiled, channels_last" and not compiled.failure
    best = max(rows[:-1], key=lambda row: row.ratio or 0)
    assert compiled.precision == best.precision
    assert compiled.compile_s and compiled.images_per_s and compiled.compile_s > 4 / compiled.images_per_s
