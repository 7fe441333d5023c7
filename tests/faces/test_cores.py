"""Cores by affinity and by the control groups around a process, of both versions."""

import importlib
import os
from pathlib import Path

import pytest

import faces
from faces import cores

MOST = len(os.sched_getaffinity(0))


@pytest.fixture
def limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty tree of control groups, and a machine with 64 cores."""
    monkeypatch.setattr(cores, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: set(range(64)))
    return tmp_path


def grouped(root: Path, membership: str, files: dict[str, str]) -> int:
    (root / "membership").write_text(membership)
    for name, text in files.items():
        path = root / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return cores.usable_cores()


def test_never_more_than_the_affinity() -> None:
    assert 1 <= cores.usable_cores() <= MOST
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cores.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("text", "cores_left"),
    [
        ("max 100000", 64),
        ("400000 100000", 4),
        ("250000 100000", 2),
        ("20000 100000", 1),
        ("9900000 100000", 64),
    ],
)
def test_a_container_of_version_2_sees_its_own_group_as_the_top(
    text: str, cores_left: int, limits: Path
) -> None:
    assert grouped(limits, "0::/\n", {"cpu.max": text + "\n"}) == cores_left


def test_the_tightest_of_all_groups_around_counts(limits: Path) -> None:
    files = {
        "jobs.slice/cpu.max": "800000 100000\n",
        "jobs.slice/user/cpu.max": "300000 100000\n",
        "jobs.slice/user/mine/cpu.max": "max 100000\n",
        "jobs.slice/other/cpu.max": "100000 100000\n",
    }
    assert grouped(limits, "0::/jobs.slice/user/mine\n", files) == 3


@pytest.mark.parametrize(("quota", "cores_left"), [("-1", 64), ("600000", 6)])
def test_version_1_beside_2_as_many_hosts_have_it(quota: str, cores_left: int, limits: Path) -> None:
    membership = "9:memory:/a\n4:cpu,cpuacct:/docker/0123\n1:cpuset:/\n0::/\n"
    # Inside of a container the path of outside leads nowhere: its own group is the top.
    files = {"cpu/cpu.cfs_quota_us": quota + "\n", "cpu/cpu.cfs_period_us": "100000\n"}
    assert grouped(limits, membership, files) == cores_left


def test_no_control_groups_are_no_limit(limits: Path) -> None:
    assert cores.usable_cores() == 64
    assert grouped(limits, "0::/gone\n", {}) == 64


@pytest.mark.parametrize(("said", "limit", "left"), [("", 3, "3"), ("", 64, None), ("5", 3, "5")])
def test_libraries_learn_of_a_limit_that_they_do_not_look_for(
    said: str, limit: int, left: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    if not said:
        monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(cores, "usable_cores", lambda: limit)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    importlib.reload(faces)
    assert os.environ.get("OMP_NUM_THREADS") == left
