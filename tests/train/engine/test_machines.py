"""Two machines that train one network, each torchrun's own; here both are this one."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist

from faces.cache.reader import Cache
from faces.command import write_toml
from tests.train.engine.test_processes import RECIPE
from train.engine import processes
from train.engine.checkpoint import load_best
from train.engine.processes import Processes, agreed_name

WATCHED = """
import os, signal, sys
from pathlib import Path
from train.command import main
from train.engine import processes
from train.engine.step import Step

notes, step = Path(sys.argv.pop(1)), Step.__call__
processes.SEEN_WITHIN = 2

def watched(self, images, rows, *, epoch, batch):
    with (notes / f"{self.processes.rank}.txt").open("a") as file:
        print(epoch, batch, *rows.tolist(), file=file)
    if (notes / "kill").exists() and (self.processes.rank, epoch, batch) == (1, 1, 1):
        (notes / "kill").rename(notes / "killed")
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, images, rows, epoch=epoch, batch=batch)

Step.__call__ = watched
main()
"""
"""The command, which notes the rows of each process's steps, and kills the second once if asked to."""


def begin(cache: Cache, place: Path, *before: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    """One machine's command, of Python with the words `before` that begin WATCHED."""
    notes, script, recipe = place / "notes", place / "watched.py", place / "vit.toml"
    notes.mkdir(parents=True, exist_ok=True)
    script.write_text(WATCHED)
    write_toml(RECIPE, recipe)
    command = [sys.executable, *before, str(script), str(notes), "--recipe", str(recipe)]
    command += ["--cache", str(cache.folder), "--fold", "1", "--folds", "3", "--device", "cpu"]
    command += ["--runs", "runs" if cwd else str(place / "runs"), "--checkpoint-minutes", "0"]
    root = str(Path(__file__).parents[3])
    surroundings = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    return subprocess.Popen(
        command,
        env=surroundings,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def ended(*begun: subprocess.Popen[str]) -> list[str]:
    """What they said, once all have ended; those that do not are ended with all that they began."""
    try:
        return [process.communicate(timeout=240)[0] for process in begun]
    finally:
        for process in begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def machines(cache: Cache, place: Path, *more: str, apart: bool = False) -> list[subprocess.Popen[str]]:
    """Two machines of a process each, which meet at a port; `apart`: each with runs of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", "--rdzv-id=faces", *more]
    options += [f"--rdzv-endpoint=127.0.0.1:{port}", "--local-addr=127.0.0.1"]
    begun = []
    for name in ("one", "other"):
        cwd = place / name if apart else None
        if cwd:
            cwd.mkdir(parents=True)
        begun.append(begin(cache, place, "-m", "torch.distributed.run", *options, cwd=cwd))
    return begun


def steps(place: Path, rank: int) -> dict[tuple[int, int], list[int]]:
    """Rows of the cache by epoch and batch."""
    lines = (place / "notes" / f"{rank}.txt").read_text().splitlines()
    numbers = [[int(word) for word in line.split()] for line in lines]
    return {(epoch, batch): rows for epoch, batch, *rows in numbers}


@pytest.fixture(scope="module")
def two(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("two")
    begun = machines(coloured, place)
    told = ended(*begun)
    assert [process.returncode for process in begun] == [0, 0], told
    assert sum("out of fold" in each for each in told) == 1  # only one speaks
    return place


@pytest.mark.slow
def test_two_machines_train_what_one_process_trains(coloured: Cache, two: Path, tmp_path: Path) -> None:
    """Disjoint photos, which together are one's batches; the losses to 1e-5, and every answer once."""
    alone = begin(coloured, tmp_path)
    assert not ended(alone)[0].count("Traceback") and alone.returncode == 0
    parts, whole = [steps(two, rank) for rank in (0, 1)], steps(tmp_path, 0)
    assert len(whole) > 2 and parts[0].keys() == parts[1].keys() == whole.keys()
    for place, rows in whole.items():
        mine, others = ({*part[place]} for part in parts)
        assert not mine & others
        assert mine | others == {*rows}
    folders = [place / "runs" / "vit" / "fold1" for place in (tmp_path, two)]
    losses = [pd.read_csv(folder / "metrics.csv").loss.to_numpy() for folder in folders]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-5)
    networks = [load_best(folder / "best.safetensors")[0].state_dict() for folder in folders]
    for name, value in networks[0].items():
        torch.testing.assert_close(networks[1][name], value, rtol=1e-4, atol=1e-5)
    tables = [pd.read_parquet(folder / "oof.parquet") for folder in folders]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3, atol=1e-4)
    assert not tables[1].position.duplicated().any()


def same_bits(one: Path, other: Path) -> bool:
    folders = [place / "runs" / "vit" / "fold1" for place in (one, other)]
    names = ("best.safetensors", "oof.parquet")
    columns = [
        pd.read_csv(folder / "metrics.csv").drop(columns=["seconds", "images_per_s"]) for folder in folders
    ]
    pd.testing.assert_frame_equal(*columns, check_exact=True)
    return all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)


@pytest.mark.slow
def test_a_killed_rank_goes_on_from_the_last_state_to_the_same_bits(
    coloured: Cache, two: Path, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "kill").touch()
    begun = machines(coloured, tmp_path, "--max-restarts=3")
    told = ended(*begun)
    assert [process.returncode for process in begun] == [0, 0], told
    assert (notes / "killed").exists()
    assert sum("resuming in epoch 2 of 2, after 1 of" in each for each in told) == 1, told
    # Nothing was trained from the beginning: the first epoch's steps are there once.
    lines = (notes / "0.txt").read_text().splitlines()
    counts: defaultdict[str, int] = defaultdict(int)
    for line in lines:
        counts[" ".join(line.split()[:2])] += 1
    assert {count for place, count in counts.items() if place.startswith("0 ")} == {1}
    assert same_bits(two, tmp_path)


@pytest.mark.slow
def test_a_folder_that_only_one_machine_sees_is_named(coloured: Cache, tmp_path: Path) -> None:
    begun = machines(coloured, tmp_path, apart=True)
    told = ended(*begun)
    assert all(process.returncode for process in begun)
    for each in told:
        assert "does not see within 2 s what rank 0 on" in each
        assert "give a RUNS folder that all machines share" in each
    assert not [path for path in tmp_path.rglob("*") if path.name in ("request.toml", "last.pt")]


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[object]], None]:
    """What two processes have, passed on by hand."""

    def give(values: list[object]) -> None:
        monkeypatch.setattr(Processes, "gather", lambda self, value: values)

    monkeypatch.setattr(Processes, "of_first", lambda self, value: value)
    monkeypatch.setattr(processes, "SEEN_WITHIN", 0)
    return give


def test_what_differs_between_machines_is_named(gathered: Callable[[list[object]], None]) -> None:
    gathered([{"cache": "ab", "epochs": 3}, {"cache": "ab", "epochs": 2}])
    with pytest.raises(ValueError, match=r"^epochs=2 in rank 1, 3 in rank 0; give the same$"):
        Processes(rank=0, world=2).check_same({}, "give the same")
    gathered([{"cache": "ab"}] * 2)
    Processes(rank=0, world=2).check_same({}, "give the same")
    Processes().check_same({"alone": 1}, "")


def test_a_shared_folder_keeps_no_probe(gathered: Callable[[list[object]], None], tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "vit"
    gathered([(True, "a"), (True, "b")])
    Processes(rank=0, world=2).check_shared(folder)
    assert folder.is_dir() and not [*folder.iterdir()]
    gathered([(True, "a"), (False, "b")])
    with pytest.raises(ValueError, match=rf"^{folder}: rank 1 on b does not see .* rank 0 on a writes"):
        Processes(rank=0, world=2).check_shared(folder)
    assert not [*folder.iterdir()]
    shutil.rmtree(folder)
    folder.touch()
    with pytest.raises(FileExistsError):
        Processes(rank=0, world=2).check_shared(folder)
    Processes().check_shared(folder)


def test_the_living_agree_on_a_name_beside_words_of_the_dead() -> None:
    """Each start anew, in one store, whatever the order in which they come."""
    store, names = dist.HashStore(), set()
    with ThreadPoolExecutor(3) as pool:
        for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
            agreed = {*pool.map(lambda rank: agreed_name(store, rank, 3), order)}
            assert len(agreed) == 1
            names |= agreed
    assert len(names) == 3
