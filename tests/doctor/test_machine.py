"""What is looked at without torch: packages, cores, memory, folders, names of files, what is installed."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import shutil
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from doctor import machine, places
from doctor.installed import InstalledSettings, installed, show
from doctor.lock import LOCK, differing, locked

Usage = namedtuple("Usage", "total used free")


def test_python_and_machine_must_be_those_that_are_locked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.python().good
    monkeypatch.setattr(sys, "version_info", (3, 10, 12))
    assert machine.python().cure.startswith("Python 3.11 or newer")
    monkeypatch.undo()
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert "aarch64" in machine.python().words and machine.python().cure


def test_a_lock_is_read_for_this_python_and_machine(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text(
        "# made by make lock\n"
        "one==1.0 \\\n    --hash=sha256:ab\n"
        "two==2.0 ; python_full_version < '3.0' \\\n    --hash=sha256:cd\n"
        "two==2.1 ; python_full_version >= '3.0' \\\n    --hash=sha256:ef\n"
        "Win.Only==3 ; sys_platform == 'win32' \\\n    --hash=sha256:01\n"
        "under_score==4.0\n    # via one==9\n"
    )
    assert locked(lock) == {"one": "1.0", "two": "2.1", "under-score": "4.0"}


def test_versions_that_are_not_locked_are_named() -> None:
    numpy, torch = metadata.version("numpy"), metadata.version("torch")
    assert differing({"numpy": numpy, "torch": f"{torch.partition('+')[0]}+anybody"}) == []
    wanted = {"numpy": "0.1", "no-such-package": "1.0"}
    assert differing(wanted) == [("numpy", numpy, "0.1"), ("no-such-package", "", "1.0")]


def test_packages_are_those_of_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"torch", "timm", "nvidia-dali-cuda130"} <= locked(LOCK).keys()
    assert "torch " in machine.packages().words
    monkeypatch.setattr(machine, "locked", lambda _: {f"absent{n}": "1" for n in range(6)})
    found = machine.packages()
    assert "absent0 missing, not 1" in found.words and found.words.endswith("and 2 more")
    assert found.cure.startswith("make setup")


@pytest.mark.parametrize(("limit", "free"), [("1000000", 400_000), ("max", None)])
def test_memory_is_what_the_container_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, free: int | None
) -> None:
    (tmp_path / "limit").write_text(f"{limit}\n")
    (tmp_path / "used").write_text("600000\n")
    monkeypatch.setattr(machine, "_CGROUP_MEMORY", ((str(tmp_path / "limit"), str(tmp_path / "used")),))
    if free is None:
        assert machine.free_memory() > 10_000_000
    else:
        assert machine.free_memory() == free
        assert machine.memory().cure


def test_names_of_files_that_are_not_in_utf8_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.names().good
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: "ascii")
    assert "PYTHONUTF8=1" in machine.names().cure


def test_cores_are_told() -> None:
    assert machine.cores().words.startswith(f"{machine.usable_cores()} of the machine's {os.cpu_count()} ")


def test_a_folder_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    found = places.folders([tmp_path / "not" / "made" / "yet", tmp_path])
    assert found.good and [*tmp_path.iterdir()] == []
    # Both lie on one file system, which is told once.
    assert found.words.count(" GiB free") == 1


def test_a_folder_without_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 2**20))
    assert "0.0 GiB free" in places.folders([tmp_path]).words
    assert "make room" in places.folders([tmp_path]).cure
    assert "--shm-size" in places.shared_memory().cure


def test_a_file_system_that_cannot_map_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))

    monkeypatch.setattr(mmap, "mmap", refuse)
    found = places.folders([tmp_path])
    assert os.strerror(errno.ENODEV) in found.words and str(tmp_path) in found.words and found.cure


def test_a_file_system_without_locks_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    found = places.folders([tmp_path])
    assert found.good and "cannot be locked" in found.words


def test_shared_memory_is_there() -> None:
    assert places.shared_memory().good


def test_file_systems_are_known_by_their_longest_mount() -> None:
    assert places.kind_of(Path("/proc/self")) == "proc"


def test_installed_packages_have_the_sizes_that_their_files_tell(capsys: pytest.CaptureFixture[str]) -> None:
    packages = {each.name: each for each in installed()}
    assert [*packages] == sorted(packages, key=lambda name: (-packages[name].size, name))
    tomli_w = [file for file in metadata.files("tomli-w") or () if file.size]
    assert packages["tomli-w"].size == sum(Path(str(file.locate())).stat().st_size for file in tomli_w) > 0
    show(InstalledSettings(least=100))
    printed = capsys.readouterr().out
    assert "torch " in printed and "tomli" not in printed
    assert f"all {len(packages)}" in printed
