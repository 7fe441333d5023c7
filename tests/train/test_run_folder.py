"""A run's folder is one training's at a time."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faces.cache.reader import Cache
from faces.files import exclusive
from tests.train.test_train import RECIPE, plan
from train.engine.processes import Processes
from train.engine.watch import Watch
from train.fold import train_fold
from train.run_folder import hold_folder

HOLD = """
import sys, time
from pathlib import Path
from faces.files import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds a folder until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_second_training_is_refused_and_tears_nothing(coloured: Cache, tmp_path: Path) -> None:
    short = dataclasses.replace(RECIPE, epochs=1)
    wanted = plan(coloured, tmp_path / "fold1", short)
    with exclusive(wanted.folder):
        with pytest.raises(
            ValueError, match=rf"^{wanted.folder}: another process is training this fold; wait"
        ):
            train_fold(wanted, Watch())
        assert not content(tmp_path)
    train_fold(wanted, Watch())
    trained = content(tmp_path)
    with exclusive(wanted.folder), pytest.raises(ValueError, match=r"another FOLD, .* another RUNS folder"):
        train_fold(wanted, Watch())
    assert content(tmp_path) == trained


def test_a_killed_training_holds_nothing(coloured: Cache, tmp_path: Path) -> None:
    wanted = plan(coloured, tmp_path / "fold1")
    with holder(wanted.folder) as process:
        try:
            with pytest.raises(ValueError, match="another process"), hold_folder(wanted):
                pass
        finally:
            os.kill(process.pid, signal.SIGKILL)
    with hold_folder(wanted):  # at once
        pass


def test_of_several_processes_the_first_holds_the_folder_for_all(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the first says to the others is passed on by hand."""
    said: list[Exception | None] = []

    def spread(self: Processes, error: Exception | None) -> None:
        said.extend([error] if self.first else [])
        if said[0]:
            raise said[0]

    monkeypatch.setattr(Processes, "raise_first", spread)
    first, second = (
        dataclasses.replace(plan(coloured, tmp_path / "fold1"), processes=Processes(rank=rank, world=2))
        for rank in (0, 1)
    )
    with hold_folder(first), hold_folder(second):
        assert said == [None]
    said.clear()
    with exclusive(first.folder):
        for each in (first, second):
            with pytest.raises(ValueError, match="another process is training"), hold_folder(each):
                pass


def test_a_file_in_the_folders_place_is_named(coloured: Cache, tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(NotADirectoryError, match="runs/fold1"):
        train_fold(plan(coloured, tmp_path / "runs" / "fold1"), Watch())
