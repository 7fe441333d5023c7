"""Ways of computing timed side by side."""

from collections.abc import Callable

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
