"""The longer list for a GPU: its table, its bounds, and those of its steps that run on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from doctor.finding import Finding
from doctor.gpu_check import command, decoders, pixels, programs, resume
from doctor.gpu_check.command import TABLE, GpuCheckSettings, check
from doctor.gpu_check.place import Place
from doctor.gpu_check.steps import MOST_SECONDS, STEPS

GPU = "doctor.card:gpu"


def fake(monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Finding]) -> list[tuple[str, float]]:
    """Answer in the place of processes; functions and seconds as they are asked for."""
    asked: list[tuple[str, float]] = []

    def answer(function: str, arguments: object, *, seconds: float, **_: object) -> Finding:
        asked.append((function, seconds))
        return answers.get(function, Finding(words="fine | well", gpu=function == GPU))

    monkeypatch.setattr(command, "look", answer)
    return asked


def test_all_steps_together_are_bounded_to_twelve_minutes() -> None:
    assert MOST_SECONDS == 12 * 60
    assert sum(step.seconds for step in STEPS) <= MOST_SECONDS
    assert len({step.name for step in STEPS}) == len(STEPS)


def test_the_list_needs_no_gpu(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    check(GpuCheckSettings(list=True, out=tmp_path / "none"))
    printed = capsys.readouterr().out.splitlines()
    assert [each.split()[0] for each in printed[:-1]] == [step.name for step in STEPS]
    assert [int(each.split()[1]) for each in printed[:-1]] == [step.seconds for step in STEPS]
    assert all(len(each) <= 80 for each in printed)
    assert not (tmp_path / "none").exists()


def test_without_a_gpu_it_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = fake(monkeypatch, {GPU: Finding(words="no GPU: everything runs on the CPU")})
    with pytest.raises(SystemExit) as ended:
        check(GpuCheckSettings(out=tmp_path))
    assert str(ended.value.code).startswith("no GPU: everything runs on the CPU; nothing to check")
    assert "\n" not in str(ended.value.code) and len(asked) == 1


def test_every_step_is_run_in_its_order_and_stands_in_the_table(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = fake(monkeypatch, {})
    check(GpuCheckSettings(out=tmp_path))
    assert [function for function, _ in asked] == [GPU, *(step.function for step in STEPS)]
    assert all(seconds <= step.seconds for (_, seconds), step in zip(asked[1:], STEPS, strict=True))
    rows = (tmp_path / TABLE).read_text().splitlines()[2:]
    assert [row.split(" | ")[0] for row in rows] == [f"| {step.name}" for step in STEPS]
    assert all("| ok |" in row and "fine \\| well" in row for row in rows)


def test_a_step_that_fails_is_told_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = fake(monkeypatch, {STEPS[2].function: Finding(words="apart", cure="see its log")})
    with pytest.raises(SystemExit) as ended:
        check(GpuCheckSettings(out=tmp_path))
    assert str(ended.value.code).startswith(f"not well: {STEPS[2].name};")
    assert len(asked) == 1 + len(STEPS)
    assert "| **bad** |" in (tmp_path / TABLE).read_text()


def test_no_step_gets_more_time_than_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "MOST_SECONDS", 30)
    asked = fake(monkeypatch, {})
    check(GpuCheckSettings(out=tmp_path))
    assert max(seconds for _, seconds in asked[1:]) <= 30


def test_some_steps_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = fake(monkeypatch, {})
    check(GpuCheckSettings(out=tmp_path, device="cpu", only=("parity", "tests")))
    assert [function for function, _ in asked] == ["doctor.gpu_check.pixels:parity"]
    with pytest.raises(ValueError, match="only=paritty: no such step; did you mean 'parity'"):
        GpuCheckSettings(only=("paritty",))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(folder=tmp_path, device="cpu", people=8)


def test_steps_on_pixels_run_on_a_cpu(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    assert pixels.graphs(place).good
    assert pixels.places(place).good
    monkeypatch.setattr(pixels, "POLICIES", {"light": pixels.POLICIES["light"]})
    monkeypatch.setattr(pixels, "REGISTERED", ())
    found = pixels.parity(place)
    assert found.good and found.words.startswith("2 graphs, at most 0.00 grey levels from the CPU's")


def test_pictures_of_nothing_are_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "levels", lambda graph, crops: pixels.np.zeros((len(crops), 3, 4, 4)))
    assert pixels.graphs(place).cure


def test_tests_that_need_a_gpu_are_found() -> None:
    own = Path(__file__).with_name("test_doctor.py")
    assert programs._is_of_gpu(own)
    assert not programs._is_of_gpu(Path(__file__).with_name("test_machine.py"))


def test_rates_are_told_beside_what_they_are_compared_with() -> None:
    report: dict[str, Any] = {"rows": [{"name": "ours", "images_per_s": 1234.5, "ratio": 2.5}]}
    assert programs._rates(report) == "ours 1,234/s (2.50)"


@pytest.mark.gpu
def test_both_decoders_are_timed(tmp_path: Path) -> None:
    found = decoders.decoders(Place(folder=tmp_path, device="cuda", people=8))
    assert found.words.count("crops/s") == 2 and "share 0.0: 0 of 256" in found.words


@pytest.mark.slow
def test_a_fold_is_killed_and_resumed_and_photos_are_searched(place: Place) -> None:
    assert "with the bits of one that nobody killed" in resume.resume(place).words
    found = programs.detect(place)
    assert found.good and "photos: CPU" in found.words
