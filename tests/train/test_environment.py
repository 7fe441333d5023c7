import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from train import environment
from train.engine.gpu import installed_gpus
from train.environment import describe_environment, git_state, last_life, write_environment


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in a package outside any repository."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    package = tmp_path / "repository" / "train"
    package.mkdir(parents=True)
    for name in ("__init__.py", "environment.py"):
        (package / name).write_text("")
    return package / "environment.py"


def test_versions_machine_and_command_are_those_of_this_process() -> None:
    found = describe_environment()
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]
    assert found["versions"]["numpy"] == np.__version__
    assert {"timm", "lightning-fabric"} <= found["versions"].keys()
    assert any(name.startswith("nvidia-dali-cuda") for name in found["versions"])
    assert found["command"] == sys.orig_argv
    assert 1 <= found["cores"] <= (os.cpu_count() or 1)
    assert found["memory_gib"] > 0
    assert found["processor"]
    assert [gpu["name"] for gpu in found["gpus"]] == [gpu.name for gpu in installed_gpus()]
    assert found["git"] == git_state(Path(environment.__file__))


def test_the_name_of_the_machine_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "secret-of-this-test"
    uname = platform.uname()
    monkeypatch.setattr(platform, "uname", lambda: uname._replace(node=name))
    assert name not in json.dumps(describe_environment())


def test_each_life_of_a_run_adds_an_entry_and_changes_none(tmp_path: Path) -> None:
    write_environment(tmp_path)
    [first] = json.loads((tmp_path / "environment.json").read_text())
    first["versions"]["torch"] = "as it was then"
    (tmp_path / "environment.json").write_text(json.dumps([first]))
    write_environment(tmp_path)
    lives = json.loads((tmp_path / "environment.json").read_text())
    assert lives[0] == first
    assert len(lives) == 2
    assert lives[1]["versions"]["torch"] != "as it was then"
    assert [path.name for path in tmp_path.iterdir()] == ["environment.json"]


def test_the_last_life_is_told_as_it_was_written_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"environment\.json: No such file.*; "):
        last_life(tmp_path)
    for _ in range(2):
        write_environment(tmp_path)
    path = tmp_path / "environment.json"
    lives = json.loads(path.read_text())
    assert {**last_life(tmp_path), "sha256": lives[1]["sha256"]} == lives[1]
    whole = path.read_text()
    for damaged, what in (
        (whole[:-9], "not readable"),
        (whole[::-1].replace('"cores"'[::-1], '"corez"'[::-1], 1)[::-1], "does not fit the sha256"),
    ):
        path.write_text(damaged)
        with pytest.raises(ValueError, match=f"environment.json: .*{what}.*; "):
            last_life(tmp_path)
    del lives[1]["sha256"]  # as earlier releases wrote it
    path.write_text(json.dumps(lives))
    assert last_life(tmp_path) == lives[1]


@pytest.mark.parametrize("content", ["[{", '{"versions": {}}'])
def test_a_damaged_record_is_kept_and_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "environment.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"environment\.json.*move it away"):
        write_environment(tmp_path)
    assert path.read_text() == content


def test_commit_and_whether_the_tree_differs_from_it(code: Path) -> None:
    repository = code.parents[1]
    git(repository, "init", "-q")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "first")
    commit = git(repository, "rev-parse", "HEAD")
    assert git_state(code) == {"commit": commit, "dirty": False}
    code.write_text("changed = True\n")
    assert git_state(code) == {"commit": commit, "dirty": True}
    git(repository, "commit", "-qam", "second")
    (code.parent / "new.py").write_text("")
    assert git_state(code) == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": True}


def test_code_in_no_repository_has_no_commit(code: Path) -> None:
    assert git_state(code) is None


def test_code_that_lies_in_a_repository_of_others_has_no_commit(code: Path) -> None:
    repository = code.parents[1]
    git(repository, "init", "-q")
    (repository / "theirs.py").write_text("")
    git(repository, "add", "theirs.py")
    git(repository, "commit", "-qm", "theirs")
    assert git_state(code) is None


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert shutil.which("git") is None
    assert git_state(Path(__file__)) is None
