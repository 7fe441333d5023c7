"""Two processes that train one network, really begun by torchrun, against one process alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from faces.command import write_toml
from train.data.rows import fold_rows
from train.engine.checkpoint import load_best
from train.engine.processes import Processes
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
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "train", "--recipe", str(path)]
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
