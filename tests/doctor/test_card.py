"""The GPU, as far as a machine without one can tell: what is said of drivers, cards and pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from doctor import card, pixels, training
from doctor.finding import Finding
from train.engine.gpu import Gpu

OLD = "the NVIDIA driver 470.1 is too old; install a newer driver, or use the CPU"


def see(monkeypatch: pytest.MonkeyPatch, wrong: str, *found: str) -> Finding:
    monkeypatch.setattr(card, "usable_gpu", lambda: wrong)
    monkeypatch.setattr(card, "installed_gpus", lambda: tuple(Gpu(name, 2**34, "580.65") for name in found))
    return card.gpu()


def test_a_machine_without_a_gpu_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "signs", lambda: iter(()))
    assert see(monkeypatch, OLD) == Finding(words="no GPU: everything runs on the CPU")


def test_a_gpu_whose_driver_is_too_old_is_told_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    found = see(monkeypatch, OLD, "Tesla T4")
    assert found.words == OLD.partition("; ")[0] and not found.gpu
    assert found.cure.startswith("install a newer driver, or use the CPU (make doctor")


def test_a_gpu_that_is_hidden_on_purpose_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    found = see(monkeypatch, "torch cannot use the GPU; see nvidia-smi", "Tesla T4")
    assert found.good and not found.gpu and "CUDA_VISIBLE_DEVICES" in found.words


def test_a_gpu_that_works_is_named_with_its_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    found = see(monkeypatch, "", "Tesla T4", "Tesla T4")
    assert found.good and found.gpu and "Tesla T4 and Tesla T4, driver 580.65" in found.words


@pytest.mark.parametrize(
    ("maker", "kind", "seen"),
    [("0x10de", "0x030200", True), ("0x10de", "0x040300", False), ("0x1002", "0x030000", False)],
)
def test_a_card_without_a_driver_is_seen_on_the_bus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maker: str, kind: str, seen: bool
) -> None:
    """Its sound is a device of the same maker, and no card."""
    monkeypatch.setattr(card, "installed_gpus", tuple)
    device = tmp_path / "sys/bus/pci/devices/0000:01:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{maker}\n")
    (device / "class").write_text(f"{kind}\n")
    assert [*card.signs(tmp_path)] == ([str(device)] if seen else [])
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia0").touch()
    (tmp_path / "dev/nvidia-uvm").touch()
    assert (
        str(tmp_path / "dev/nvidia0") in [*card.signs(tmp_path)] and len([*card.signs(tmp_path)]) == 1 + seen
    )


@pytest.mark.parametrize(
    ("capability", "fits"), [((7, 5), True), ((8, 0), True), ((8, 9), True), ((7, 0), False), ((9, 0), False)]
)
def test_torch_must_be_built_for_the_card(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], fits: bool
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(
        torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_80", "sm_86", "sm_120", "compute_120"]
    )
    found = card.capability()
    assert found.good == found.gpu == fits
    assert (
        f"compute capability {capability[0]}.{capability[1]}; torch is built for 7.5, 8.0, 8.6, 12.0"
        in found.words
    )


def test_a_card_whose_memory_others_hold_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (2**28, 2**34))
    found = card.memory()
    assert found.words == "0.2 of 16.0 GiB free on the GPU" and "nvidia-smi" in found.cure


def test_this_machines_decoder_is_right_and_the_same_at_any_place() -> None:
    assert pixels.decode("cpu").good and pixels.place("cpu").good


def test_a_decoder_that_is_wrong_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    real = pixels.levels
    monkeypatch.setattr(pixels, "levels", lambda graph, crops: real(graph, crops) + 1.5)
    found = pixels.decode("cpu")
    assert "1.50 grey levels" in found.words and "report this" in found.cure


def test_pixels_that_follow_from_the_place_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_place(graph: object, crops: list[np.ndarray]) -> np.ndarray:
        halves = np.arange(len(crops)) < 0.65 * len(crops)
        return np.array([crop.sum() for crop in crops], np.float64) + halves

    monkeypatch.setattr(pixels, "levels", by_place)
    assert "in the opposite order" in pixels.place("cpu").words
    assert pixels.place_matters("gpu")[0] == "in the opposite order"


def test_devices_whose_pixels_differ_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def levels(graph: pixels.Graph, crops: list[np.ndarray]) -> np.ndarray:
        off = 3.0 if graph.device == "gpu" and graph.policy.hue else 0.0
        return np.full((len(crops), 3, 2, 2), off)

    monkeypatch.setattr(pixels, "levels", levels)
    found = pixels.parity()
    assert "at most 3.00 grey levels from the CPU's on average (strong)" in found.words
    assert "too much: strong, team_a" in found.words and found.cure


def test_equal_devices_are_no_grey_level_apart() -> None:
    crops = pixels.draw_crops(2)
    policy, settings = pixels.POLICIES["strong"], {"codec": "raw", "size": 32}
    assert pixels.difference(policy, crops, settings, ("cpu", "cpu")) == (0, 0)


def test_a_training_step_changes_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    assert training.step("cpu", "fp32").good
    monkeypatch.setattr(training, "cross_entropy", lambda scores, _: scores.sum() * float("nan"))
    found = training.step("cpu", "fp32")
    assert "loss nan" in found.words and "another precision" in found.cure
