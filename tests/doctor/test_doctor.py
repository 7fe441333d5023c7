"""The command: which looks a machine gets, what is said of them, and its exit code."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from doctor import command
from doctor.checks import CAPABILITY, CHECKS_OF_BOTH, GPU, Check, checks_of_device, checks_of_machine
from doctor.command import DoctorSettings, doctor
from doctor.finding import Finding
from doctor.gpu_check.steps import STEPS
from doctor.process import look
from doctor.table import line

ROOT = Path(__file__).parents[2]
EVERY: list[Check] = [
    *checks_of_machine([Path()]),
    GPU,
    CAPABILITY,
    *checks_of_device("cpu"),
    *checks_of_device("cuda"),
    *CHECKS_OF_BOTH,
]
NO_GPU = Finding(words="no GPU: everything runs on the CPU")
A_GPU = Finding(words="a card", gpu=True)


def function_of(name: str) -> Callable[..., Finding]:
    module, _, function = name.partition(":")
    found: Callable[..., Finding] = getattr(import_module(module), function)
    return found


@pytest.mark.parametrize("check", EVERY, ids=lambda check: check.name)
def test_every_look_is_there_and_takes_what_it_is_given(check: Check) -> None:
    signature = inspect.signature(function_of(check.function))
    assert signature.bind(**check.arguments).arguments == check.arguments


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_step_is_there_and_takes_a_place(step: Any) -> None:
    assert [*inspect.signature(function_of(step.function)).parameters] == ["place"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refuse", "the value is wrong"),
        ("fail", "ZeroDivisionError: division by zero"),
        ("crash", "its process was ended by SIGABRT (the driver says something)"),
        ("leave", "its process ended with exit code 3"),
        ("absent", "AttributeError: module 'tests.doctor.looks' has no attribute 'absent'"),
    ],
)
def test_what_goes_wrong_ends_that_look_alone(tmp_path: Path, name: str, words: str) -> None:
    found = look(f"tests.doctor.looks:{name}", {}, seconds=60, log=tmp_path / "log", cure="the cure")
    assert found == Finding(words=words, cure="the cure")


def test_a_look_gets_its_arguments_and_its_answer_comes_back(tmp_path: Path) -> None:
    found = look("tests.doctor.looks:well", {"words": "ü"}, seconds=60, log=tmp_path / "log", cure="x")
    assert found == Finding(words="ü")


def test_what_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "note"
    found = look("tests.doctor.looks:hang", {"note": note}, seconds=5, log=tmp_path / "log", cure="wait")
    assert found == Finding(words="no answer in 5 s", cure="wait")
    state = Path("/proc", note.read_text(), "stat")
    # Whoever adopts it may not have buried it yet.
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def run(
    monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Finding], settings: DoctorSettings
) -> tuple[list[str], int]:
    """Names of the looks that were taken, and the exit code; what has no answer is well."""
    taken = []

    def answer(function: str, arguments: Mapping[str, Any], **_: object) -> Finding:
        same = [check for check in EVERY if check.function == function]
        name = next(c.name for c in same if len(same) == 1 or c.arguments == arguments)
        taken.append(name)
        return answers.get(name, Finding(words="well"))

    monkeypatch.setattr(command, "look", answer)
    try:
        doctor(settings)
    except SystemExit as ended:
        assert isinstance(ended.code, int)
        return taken, ended.code
    return taken, 0


def test_a_machine_without_a_gpu_is_fit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken, code = run(monkeypatch, {"GPU": NO_GPU}, DoctorSettings())
    assert code == 0
    assert taken == [c.name for c in (*checks_of_machine([]), GPU, *checks_of_device("cpu"))]
    assert capsys.readouterr().out.rstrip().endswith("; no GPU: everything runs on the CPU")


def test_a_machine_with_a_gpu_is_looked_at_on_both_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, code = run(monkeypatch, {"GPU": A_GPU, "capability": A_GPU}, DoctorSettings())
    assert code == 0
    assert taken == [check.name for check in EVERY]


@pytest.mark.parametrize("bad", ["GPU", "capability"])
def test_a_gpu_that_does_not_work_is_told_and_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bad: str
) -> None:
    answers = {"GPU": A_GPU, bad: Finding(words="driver 470", cure="install driver 580")}
    taken, code = run(monkeypatch, answers, DoctorSettings())
    assert code == 1
    assert not {check.name for check in (*checks_of_device("cuda"), *CHECKS_OF_BOTH)} & {*taken}
    assert f"- {bad}: install driver 580" in capsys.readouterr().out


def test_the_gpu_can_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, code = run(monkeypatch, {}, DoctorSettings(device="cpu"))
    assert code == 0 and "GPU" not in taken and "fp32 CPU" in taken


def test_what_is_not_well_is_listed_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = {
        name: Finding(words=f"{name} is wrong", cure=f"cure of {name}") for name in ("memory", "fp32 CPU")
    }
    taken, code = run(monkeypatch, {"GPU": NO_GPU, **wrong}, DoctorSettings())
    printed = capsys.readouterr().out
    assert code == 1 and len(taken) == 12
    assert printed.count("BAD") == 2
    assert printed.rstrip().splitlines()[-2:] == ["- memory: cure of memory", "- fp32 CPU: cure of fp32 CPU"]
    assert "not fit: 2 of 12 looks" in printed


def test_after_three_minutes_nothing_more_is_begun(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "MOST_SECONDS", 0)
    taken, code = run(monkeypatch, {}, DoctorSettings())
    assert (taken, code) == ([], 1)
    assert "three minutes are over" in capsys.readouterr().out


def test_no_look_may_take_longer_than_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[float] = []

    def note(*_: object, seconds: float, **__: object) -> Finding:
        allowed.append(seconds)
        return NO_GPU

    monkeypatch.setattr(command, "look", note)
    monkeypatch.setattr(command, "MOST_SECONDS", 12)
    doctor(DoctorSettings())
    assert max(allowed) <= 12


@pytest.mark.parametrize("width", [80, 120])
def test_lines_are_as_wide_as_the_terminal_and_the_names_stand_out(width: int) -> None:
    finding = Finding(words="word " * 40, cure="another " * 20)
    for name in [check.name for check in EVERY]:
        lines = line(name, finding, width).plain.splitlines()
        assert all(len(each) <= width and each == each.rstrip() for each in lines)
        assert lines[0].startswith(f"BAD  {name} ")
        assert all(each.startswith(" " * 17) for each in lines[1:])
        assert sum("cure: another" in each for each in lines) == 1


def test_setting_up_ends_by_naming_the_doctor() -> None:
    told = os.popen(f"make -n -C {ROOT} --no-print-directory setup READY=Makefile").read()
    assert "make doctor" in told.splitlines()[-1]


def test_whoever_reports_a_bug_is_asked_for_the_doctor() -> None:
    template = (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.md").read_text()
    assert "`make doctor`" in template
    assert {*re.findall(r"`make ([a-z-]+)`", template)} <= {
        *re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    }


@pytest.mark.gpu
@pytest.mark.parametrize(
    "check", [GPU, CAPABILITY, *checks_of_device("cuda"), *CHECKS_OF_BOTH], ids=lambda check: check.name
)
def test_a_gpu_that_runs_the_tests_is_fit(check: Check) -> None:
    found = function_of(check.function)(**check.arguments)
    assert found.good, found
