"""Two processes that train one network, really begun as torchrun does, against one process alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from faces.cache.reader import Cache
from faces.command import write_toml
from train import together
from train.data.rows import fold_rows
from train.engine import precision, processes
from train.engine.checkpoint import load_best
from train.engine.processes import Processes, join_processes
from train.recipe.data import Age, Mixing
from train.recipe.network import Head, Optimiser, Schedule
from train.recipe.recipe import Recipe

RECIPE = Recipe(
    tasks=("mask", "senior"),
    backbone="test_vit",
    image_size=32,
    augment="strong",
    epochs=2,
    batch_size=16,
    precision="fp32",
    age=Age(uncertain=(45,), uncertain_weight=0.5),
    optimiser=Optimiser(name="adamw", lr=1e-3, clip=1.0),
    schedule=Schedule(name="cosine", warmup_epochs=0.5),
)


def train(cache: Cache, runs: Path, recipe: Recipe, processes: int, *more: str) -> Path:
    path = runs / "vit.toml"
    runs.mkdir(exist_ok=True)
    write_toml(recipe, path)
    command = [sys.executable, "-m", "train", "--recipe", str(path), "--processes", str(processes)]
    command += ["--cache", str(cache.folder), "--fold", "1", "--folds", "3", "--runs", str(runs)]
    done = subprocess.run([*command, "--device", "cpu", *more], capture_output=True, text=True, timeout=300)
    assert not done.returncode, done.stdout + done.stderr
    return runs / "vit" / "fold1"


@pytest.mark.slow
def test_two_processes_train_what_one_trains(coloured: Cache, tmp_path: Path) -> None:
    """A third of the photos are not of the second head, so the processes' shares of labels differ."""
    rows = fold_rows(coloured, RECIPE.tasks, fold=1, folds=3, seed=0)
    known = coloured.labels("senior")[rows.training] >= 0
    assert 0 < known.sum() < len(known)
    one = train(coloured, tmp_path / "one", RECIPE, 1)
    two = train(coloured, tmp_path / "two", RECIPE, 2)
    losses = [pd.read_csv(folder / "metrics.csv").loss.to_numpy() for folder in (one, two)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0, atol=1e-5)
    networks = [load_best(folder / "best.safetensors")[0].state_dict() for folder in (one, two)]
    for name, value in networks[0].items():
        torch.testing.assert_close(networks[1][name], value, rtol=1e-4, atol=1e-5)
    tables = [pd.read_parquet(folder / "oof.parquet") for folder in (one, two)]
    pd.testing.assert_frame_equal(*tables, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_two_processes_go_on_where_they_stopped(coloured: Cache, tmp_path: Path) -> None:
    """With batch normalisation, mixing, dropout and a backbone frozen at first: bit for bit."""
    recipe = Recipe(
        tasks=("mask", "gender", "age3"),
        backbone="test_resnet",
        image_size=32,
        epochs=2,
        batch_size=8,
        precision="fp32",
        head=Head(dropout=0.3),
        optimiser=Optimiser(lr=1e-3, frozen_epochs=1),
        mixing=Mixing(name="cutmix"),
    )
    whole = train(coloured, tmp_path / "whole", recipe, 2)
    cut = train(coloured, tmp_path / "cut", recipe, 2)
    # the state after the first epoch, as a kill before the second's end leaves it
    (cut / "last.pt").unlink()
    (cut / "last.previous.pt").rename(cut / "last.pt")
    again = train(coloured, tmp_path / "cut", recipe, 2, "--resume")
    for name in ("best.safetensors", "oof.parquet"):
        assert (whole / name).read_bytes() == (again / name).read_bytes()


def test_a_batch_that_does_not_divide_is_refused() -> None:
    assert Processes(rank=1, world=2).share(32) == 16
    with pytest.raises(ValueError, match=r"batch_size=15 does not divide among 2 processes"):
        Processes(rank=0, world=2).share(15)


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """The second of two processes on a machine of two GPUs; what the group is begun and ended with."""
    told: list[dict[str, object]] = []
    for name, value in {"WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "RANK": 1, "LOCAL_RANK": 1}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: told.append({"set": str(device)}))
    dist = processes.dist
    monkeypatch.setattr(
        dist, "init_process_group", lambda kind, device_id: told.append({"begun": kind, "on": str(device_id)})
    )
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "destroy_process_group", lambda: told.append({"ended": True}))
    return told


def test_a_group_knows_the_gpu_of_each_process_and_ends(torchrun: list[dict[str, object]]) -> None:
    joined = join_processes("cuda")
    assert joined == Processes(rank=1, world=2, local=1)
    assert torchrun == [{"set": "cuda:1"}, {"begun": "nccl", "on": "cuda:1"}]
    joined.leave()
    Processes().leave()
    assert torchrun[2:] == [{"ended": True}]
    torchrun.clear()
    join_processes("cpu")
    assert torchrun == [{"begun": "gloo", "on": "None"}]


def test_more_processes_than_gpus_are_refused(
    torchrun: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By each process, and before any is begun; on a CPU there may be any number."""
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    for refused in (lambda: join_processes("cuda"), lambda: together.begin_processes(2, 32, "auto")):
        with pytest.raises(
            ValueError, match=r"^processes=2: .* torch sees 1 here; use at most 1, or device=cpu"
        ):
            refused()
    assert not torchrun
    with pytest.raises(ValueError, match=r"batch_size=31 does not divide among 2 processes"):
        together.begin_processes(2, 31, "cpu")


def test_what_the_processes_have_told_is_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[list[str]] = []

    def failing(line: list[str]) -> None:
        lines.append(line)
        raise ChildFailedError("train", {0: ProcessFailure(0, 1, 2, "")})

    monkeypatch.setattr(together, "main", failing)
    monkeypatch.setattr(sys, "argv", ["train", "--processes", "3"])
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with pytest.raises(SystemExit) as ended:
        together.begin_processes(3, 30, "cpu", max_restarts=2)
    assert ended.value.code == 2
    assert lines == [
        ["--standalone", "--nproc-per-node=3", "--max-restarts=2", "-m", "train", "--processes", "3"]
    ]


def test_what_one_process_tries_out_alone_is_on_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, object]] = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(precision, "Fabric", lambda **options: made.append(options))
    precision.make_fabric("fp32", "cuda")
    precision.make_fabric("fp32", "cpu")
    assert [options["devices"] for options in made] == [[1], 1]
