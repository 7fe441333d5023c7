"""Ways of computing timed side by side."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from train.engine import precision


def test_the_hopeless_are_timed_once_whoever_warms_up(monkeypatch: pytest.MonkeyPatch) -> None:
    now, steps = [0.0], {"first": 0, "fast": 0, "near": 0, "slow": 0}
    costs = {"first": 1.1, "fast": 1.0, "near": 2.9, "slow": 3.1}
    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])

    def stepper(name: str) -> Callable[[], None]:
        def step() -> None:
            steps[name] += 1
            now[0] += costs[name] if steps[name] > 1 else 100 if name == "first" else costs[name]

        return step

    seconds = precision.time_in_turns({name: stepper(name) for name in costs}, "cpu")
    assert {name: len(times) for name, times in seconds.items()} == {
        "first": 3,
        "fast": 3,
        "near": 3,
        "slow": 1,
    }
    assert all(times == pytest.approx([3 * costs[name]] * len(times)) for name, times in seconds.items())


@pytest.mark.parametrize(
    ("capabilities", "timed"),
    [({"avx512_f": False}, {"fp32"}), ({"avx512_f": True}, {"fp32", "bf16"}), ({}, {"fp32", "bf16"})],
)
def test_bf16_is_not_timed_where_a_processor_emulates_it(
    capabilities: dict[str, bool], timed: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision.torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(precision, "_stepper", lambda *_: None)
    monkeypatch.setattr(precision, "time_in_turns", lambda steppers, _: {name: [1.0] for name in steppers})
    assert {*precision.measure_precisions(None, 2, 8, "cpu")} == timed  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "cores", "sharing", "threads"),
    [("cpu", 64, 1, 1), ("cuda", 64, 1, 8), ("cuda", 6, 1, 6), ("cuda", 6, 2, 3), ("cuda", 2, 4, 1)],
)
def test_the_processes_of_a_machine_share_its_cores(
    device: str, cores: int, sharing: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "usable_cores", lambda: cores)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(sharing))
    assert precision.loader_threads(device) == threads


@pytest.mark.parametrize(("device", "kept"), [("cpu", []), ("cuda", ["cuda"])])
def test_random_numbers_are_kept_of_no_device_but_the_one_that_computes(
    device: str, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forked: list[list[str]] = []

    @contextmanager
    def fork(devices: Sequence[str]) -> Iterator[None]:
        forked.append([*devices])
        yield

    monkeypatch.setattr(precision.torch.random, "fork_rng", fork)
    monkeypatch.setattr(precision, "_stepper", lambda *_, **__: lambda: None)
    monkeypatch.setattr(precision, "time_in_turns", lambda steppers, _: {name: [1.0] for name in steppers})
    precision.measure_precisions(None, 2, 8, device)  # type: ignore[arg-type]
    precision.measure_compiled(None, 2, 8, device, "fp32")  # type: ignore[arg-type]
    assert forked == [kept, kept]
