"""Whether a GPU can be used is tried, and what is wrong is said with driver found, driver needed and cure."""

import fnmatch
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from train.engine import gpu, precision
from train.engine.gpu import Gpu, installed_gpus, usable_gpu

SMI = "NVIDIA H200, 143771, 580.65.06\nTesla T4, PCIe, 15360, 580.65.06\n"
TOO_OLD = "The NVIDIA driver on your system is too old (found version 12020).\nPlease update"


def forget() -> None:
    for each in (gpu.installed_gpus, gpu.listed_gpus, gpu.usable_gpu, precision._best_device):
        each.cache_clear()


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    forget()
    yield
    forget()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine of another kind: its driver's version, what nvidia-smi prints, torch's error (None: none)."""

    def make(
        driver: str = "", smi: str = "", error: Exception | None = None, cuda: str | None = "13.2"
    ) -> None:
        (tmp_path / "bin").mkdir()
        if smi:
            tool = tmp_path / "bin" / "nvidia-smi"
            tool.write_text(f"#!/bin/sh\nprintf '%s' '{smi}'\n")
            tool.chmod(0o755)
        if driver:
            (tmp_path / "version").write_text(driver + "\n")

        def ones(size: int, device: str) -> torch.Tensor:
            assert device.startswith("cuda:")
            if error is not None:
                raise error
            return torch.zeros(size)

        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
        monkeypatch.setattr(gpu, "_DRIVER", tmp_path / "version")
        monkeypatch.setattr(gpu.torch, "ones", ones)
        monkeypatch.setattr(gpu.torch.version, "cuda", cuda)
        monkeypatch.setattr(gpu.torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80"])

    return make


@pytest.mark.parametrize(
    ("driver", "error", "cuda", "told"),
    [
        (
            "",
            "Found no NVIDIA driver",
            "13.2",
            "no NVIDIA driver here, and torch 2.* needs driver 580 or newer; *",
        ),
        ("535.1", TOO_OLD, "13.2", "the NVIDIA driver is 535.1, and torch 2.* needs driver 580 or newer; *"),
        ("535.1", "out of memory", "12.8", "NVIDIA driver 535.1 (* driver 525 or newer): out of memory; *"),
        ("580.65", "No GPUs\nSee", "13.2", "NVIDIA driver 580.65 (* driver 580 or newer): No GPUs; *"),
        ("580.65", "CUDA error: no kernel image is available", "13.2", "torch 2.* only for sm_75, sm_80; "),
        ("999.1", "why", "99.1", "NVIDIA driver 999.1 (* driver of CUDA 99.1 or newer): why; *"),
        ("580.65", "Torch not compiled with CUDA", None, "torch 2.* has no CUDA in it; *"),
    ],
)
def test_what_is_wrong_names_driver_found_driver_needed_and_cure(
    driver: str, error: str, cuda: str | None, told: str, machine: Callable[..., None]
) -> None:
    machine(driver, error=RuntimeError(error), cuda=cuda)
    assert fnmatch.fnmatchcase(usable_gpu(), told + "use the CPU")
    assert "\n" not in usable_gpu()
    with pytest.raises(ValueError) as refused:
        precision.choose_device("cuda")
    assert str(refused.value) == f"device=cuda: {usable_gpu()}"


def test_a_gpu_counted_by_torch_but_unusable_is_not_taken_and_said_once(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine("535.104.05", error=RuntimeError(TOO_OLD))
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu.torch.cuda, "device_count", lambda: 1)
    assert [precision.choose_device("auto") for _ in range(3)] == ["cpu"] * 3
    assert capsys.readouterr().err.count("the NVIDIA driver is 535.104.05") == 1


def test_where_nothing_is_wrong_auto_takes_it(machine: Callable[..., None]) -> None:
    machine("580.65.06")
    assert usable_gpu() == ""
    assert precision.choose_device("auto") == precision.choose_device("cuda") == "cuda"
    assert precision.choose_device("cpu") == "cpu"


def test_a_cpu_alone_is_nothing_to_speak_of(
    machine: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    machine(error=RuntimeError("Found no NVIDIA driver on your system"))
    assert precision.choose_device("auto") == "cpu"
    assert capsys.readouterr().err == ""
    assert installed_gpus() == ()


@pytest.mark.parametrize(("rank", "count", "number"), [("0", 4, 0), ("3", 4, 3), ("3", 2, 1), ("0", 0, 0)])
def test_each_process_tries_a_gpu_of_its_own(
    rank: str, count: int, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def ones(size: int, device: str) -> torch.Tensor:
        tried.append(device)
        return torch.zeros(size)

    monkeypatch.setenv("LOCAL_RANK", rank)
    monkeypatch.setattr(gpu.torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(gpu.torch, "ones", ones)
    assert usable_gpu() == ""
    assert tried == [f"cuda:{number}"]


def test_gpus_are_listed_by_the_drivers_tool_even_where_torch_cannot_use_them(
    machine: Callable[..., None],
) -> None:
    machine(smi=SMI, error=RuntimeError(TOO_OLD))
    assert installed_gpus() == (
        Gpu("NVIDIA H200", 143771 * 2**20, "580.65.06"),
        Gpu("Tesla T4, PCIe", 15360 * 2**20, "580.65.06"),
    )
    assert gpu.driver_version() == "580.65.06"


def test_a_container_without_the_drivers_tool_has_what_torch_sees(
    machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()

    class Properties:
        name, total_memory = "NVIDIA L4", 24 * 2**30

    monkeypatch.setattr(gpu.torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(gpu.torch.cuda, "get_device_properties", lambda _: Properties)
    assert installed_gpus() == (Gpu("NVIDIA L4", 24 * 2**30, ""),)


def test_what_the_tool_says_instead_of_a_list_is_no_gpu(machine: Callable[..., None]) -> None:
    machine(smi="No devices were found\n", error=RuntimeError("no"))
    assert installed_gpus() == ()


@pytest.mark.gpu
def test_the_gpu_here_is_usable_and_named() -> None:
    assert usable_gpu() == ""
    first = installed_gpus()[0]
    assert first.name == torch.cuda.get_device_name(0)
    assert first.memory >= torch.cuda.get_device_properties(0).total_memory
