"""The machine of a report: what a benchmark could use of it."""

import pytest

from bench import measure
from train.engine import gpu
from train.engine.gpu import Gpu


@pytest.mark.parametrize(
    ("gpus", "told"), [((), "no GPU"), ((Gpu("NVIDIA L4", 1, "580.1"),) * 2, "NVIDIA L4 and NVIDIA L4")]
)
def test_gpus_are_those_of_the_driver_whatever_of_it_a_container_shows(
    gpus: tuple[Gpu, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "installed_gpus", lambda: gpus)
    monkeypatch.setattr(measure, "usable_cores", lambda: 3)
    machine = measure.describe_machine()
    assert ", 3 cores, " in machine and machine.endswith(f" GiB, {told}")
