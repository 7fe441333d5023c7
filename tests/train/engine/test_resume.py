"""Training cut anywhere goes on to the bits of training that was never cut."""

import dataclasses
import hashlib
import itertools
import math
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from faces.command import write_toml
from faces.files import write_atomically
from tests.helpers.runs.undrawn import undrawn
from train.assemble import FoldPlan
from train.engine.card import RunError
from train.engine.state import StateFile, load_state, read_state, save_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.recipe.data import Mixing
from train.recipe.network import Head, Optimiser, Schedule
from train.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

# 48 photos train in 6 batches, 24 validate in 3: nine advance the watch in an epoch.
RECIPE = Recipe(
    tasks=("mask", "gender", "age3"),
    backbone="test_resnet",
    head=Head(dropout=0.2),
    image_size=32,
    augment="light",
    epochs=2,
    batch_size=8,
    precision="fp32",
    optimiser=Optimiser(name="adamw", lr=4e-3),
    schedule=Schedule(name="cosine", warmup_epochs=0.5),
    mixing=Mixing(name="half_face", probability=0.7, ratio=(0.3, 0.7), partner="rare_age"),
)
TIMED = ("images_per_s", "seconds")


def plan(cache: Cache, folder: Path, recipe: Recipe = RECIPE, minutes: float = 0.0) -> FoldPlan:
    return FoldPlan(
        recipe=recipe,
        cache=cache,
        fold=1,
        folds=3,
        fold_seed=0,
        folder=folder,
        device="cpu",
        threads=1,
        checkpoint_minutes=minutes,
    )


class Cut(Watch):
    """Interrupts after so many batches, before the next one counts."""

    def __init__(self, batches: int) -> None:
        self.left = batches
        self.lines: list[str] = []

    def advance(self, photos: int, loss: float = math.nan) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def say(self, line: str) -> None:
        self.lines.append(line)


def untimed(state: Any) -> Any:
    """A training state without times, and tensors as bytes."""
    if isinstance(state, dict):
        return {key: untimed(value) for key, value in state.items() if key not in TIMED}
    if isinstance(state, list | tuple):
        return [untimed(value) for value in state]
    return (state.dtype, state.shape, state.numpy().tobytes()) if isinstance(state, torch.Tensor) else state


def assert_same_run(one: Path, other: Path) -> None:
    for name in ("best.safetensors", "oof.parquet", "recipe.toml"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    assert untimed(load_state(one / "last.pt")) == untimed(load_state(other / "last.pt"))
    tables = [pd.read_csv(folder / "metrics.csv").drop(columns=[*TIMED]) for folder in (one, other)]
    pd.testing.assert_frame_equal(*tables, check_exact=True)


@pytest.fixture(scope="module")
def whole(coloured: Cache, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never cut, and saved only at the end of its epochs."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with undrawn():
        train_fold(plan(coloured, folder, minutes=60.0), Watch())
    return folder


@pytest.mark.parametrize(
    ("minutes", "batches", "saved"),
    [
        pytest.param(0.0, 0, (0, 1), marks=pytest.mark.slow),
        (0.0, 3, (0, 4)),
        pytest.param(0.0, 5, (0, 6), marks=pytest.mark.slow),
        (0.0, 7, (0, 6)),  # while validating
        pytest.param(0.0, 11, (1, 3), marks=pytest.mark.slow),
        pytest.param(2.0, 4, (0, 4), marks=pytest.mark.slow),
        (2.0, 12, (1, 4)),
        (60.0, 10, (1, 0)),
    ],
)
def test_cut_after_any_batch(
    coloured: Cache,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    minutes: float,
    batches: int,
    saved: tuple[int, int],
) -> None:
    """Each look at the clock finds it a minute later; so at two minutes every second batch is saved."""
    clock = SimpleNamespace(monotonic=itertools.count(0, 60).__next__)
    monkeypatch.setattr("train.engine.state.time", clock)
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, tmp_path, minutes=minutes), Cut(batches))
    state = load_state(tmp_path / "last.pt")
    assert state is not None
    assert (len(state["history"]), state["part"]["next_batch"]) == saved
    watch = Cut(100)
    train_fold(plan(coloured, tmp_path, minutes=minutes), watch)
    place = f"epoch {saved[0] + 1} of 2, after {saved[1]} of its 6 batches"
    assert watch.lines[0] == f"fold 1: resuming in {place}"
    assert not [line for line in watch.lines[1:] if "resuming" in line]
    assert_same_run(whole, tmp_path)


def test_killed_between_the_answers_and_the_weights_of_an_epoch(
    coloured: Cache, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the answers are of an epoch that last.pt does not know yet, trained and kept once more."""
    written: list[str] = []

    def write(path: Path, data: bytes) -> None:
        written.append(path.name)
        if written.count("best.safetensors") == 2:
            raise KeyboardInterrupt
        write_atomically(path, data)

    with monkeypatch.context() as patched:
        patched.setattr("train.engine.checkpoint.write_atomically", write)
        with pytest.raises(KeyboardInterrupt):
            train_fold(plan(coloured, tmp_path), Watch())
    assert written == ["oof.parquet", "best.safetensors"] * 2
    train_fold(plan(coloured, tmp_path), Watch())
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("precision", [pytest.param("fp32", marks=pytest.mark.slow), "fp16"])
def test_a_run_of_many_lives(coloured: Cache, tmp_path: Path, precision: str) -> None:
    """fp16 keeps a scale of its loss as well."""
    recipe = dataclasses.replace(RECIPE, precision=precision)
    train_fold(plan(coloured, tmp_path / "whole", recipe, minutes=60.0), Watch())
    for _ in range(20):
        try:
            train_fold(plan(coloured, tmp_path / "cut", recipe), Cut(7))
            break
        except KeyboardInterrupt:
            continue
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.slow
def test_killed_for_real(coloured: Cache, tmp_path: Path) -> None:
    """SIGKILL at a random moment, perhaps while the state is being written, once it was in mid-epoch."""
    recipe = dataclasses.replace(RECIPE, batch_size=2, epochs=3)
    write_toml(recipe, tmp_path / "small.toml")
    arguments = ["--recipe", tmp_path / "small.toml", "--cache", coloured.folder, "--fold", 1, "--folds", 3]
    arguments += ["--runs", tmp_path, "--device", "cpu", "--checkpoint-minutes", 0]
    folder, number = tmp_path / "small" / "fold1", random.Random(time.time_ns())
    with subprocess.Popen([sys.executable, "-m", "train", *map(str, arguments)]) as running:
        while running.poll() is None and not (folder / "last.pt").is_file():
            time.sleep(0.002)
        time.sleep(number.uniform(0, 0.1))
        running.send_signal(signal.SIGKILL)
    assert running.returncode == -signal.SIGKILL
    state = load_state(folder / "last.pt")
    assert state is not None
    assert 24 * len(state["history"]) + state["part"]["next_batch"] in range(1, 24 * 3)
    train_fold(plan(coloured, folder, recipe, minutes=60.0), Watch())
    train_fold(plan(coloured, tmp_path / "whole", recipe, minutes=60.0), Watch())
    assert_same_run(tmp_path / "whole", folder)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """The finished run, to be spoilt; its state before the last is gone."""
    folder = Path(shutil.copytree(whole, tmp_path / "fold1"))
    (folder / "last.previous.pt").unlink()
    return folder


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped"])
def test_a_damaged_state_is_said(coloured: Cache, copy: Path, damage: str) -> None:
    path = copy / "last.pt"
    good = path.read_bytes()
    bad = {"cut": good[:-1000], "empty": b"", "text": b"no state\n", "flipped": b"\xff" * 999 + good[999:]}
    path.write_bytes(bad[damage])
    with pytest.raises(RunError, match=r"last.pt: not a whole training state, .*move it elsewhere"):
        train_fold(plan(coloured, copy), Watch())
    path.unlink()
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, copy), Cut(0))


def rewrite(path: Path, **changes: Any) -> None:
    """Give a state other entries, its digest right; without those that are None."""
    state = {**read_state(path), **changes}
    path.unlink()
    save_state({key: value for key, value in state.items() if value is not None}, path)


@pytest.mark.parametrize("key", ["model", "optimiser", "schedule", "history", "part", "skipped"])
@pytest.mark.parametrize("value", [None, 5, pytest.param({"a": "b"}, marks=pytest.mark.slow)])
def test_a_state_with_other_things_in_it_is_refused(
    coloured: Cache, copy: Path, key: str, value: object
) -> None:
    rewrite(copy / "last.pt", **{key: value})
    with pytest.raises(RunError, match=r"last.pt: not the state of this training .*train the fold again$"):
        train_fold(plan(coloured, copy), Watch())


def test_a_state_of_another_training_is_refused(coloured: Cache, copy: Path, tmp_path: Path) -> None:
    """Another learning rate leaves all shapes as they are."""
    other = dataclasses.replace(RECIPE, optimiser=dataclasses.replace(RECIPE.optimiser, lr=1e-5))
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, tmp_path / "other", other), Cut(1))
    shutil.copy(tmp_path / "other" / "last.pt", copy / "last.pt")
    with pytest.raises(RunError, match=r"last.pt: state of another training than .*request.json"):
        train_fold(plan(coloured, copy), Watch())


def test_a_pickle_that_runs_code_is_no_state(copy: Path) -> None:
    data = pickle.dumps(print)
    (copy / "last.pt").write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(RunError, match=r"last.pt: not a training state of this program's"):
        load_state(copy / "last.pt")


@pytest.mark.parametrize("damage", ["flipped bit", "missing"])
def test_the_newest_intact_state_wins(coloured: Cache, whole: Path, tmp_path: Path, damage: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, tmp_path), Cut(4))
    path = tmp_path / "last.pt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data) if damage == "flipped bit" else path.unlink()
    watch = Cut(100)
    train_fold(plan(coloured, tmp_path, minutes=60.0), watch)
    assert any("resuming in epoch 1 of 2, after 4 of its 6 batches" in line for line in watch.lines)
    assert ("going on from last.previous.pt" in watch.lines[0]) == (damage == "flipped bit")
    assert_same_run(whole, tmp_path)


def test_to_insist_on_resuming_what_never_began(coloured: Cache, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no last.pt, so there is nothing to go on from; .*RESUME=1"):
        train_fold(dataclasses.replace(plan(coloured, tmp_path), resume=True), Watch())


def test_minutes_that_cannot_be(tmp_path: Path) -> None:
    for minutes in (-1.0, math.nan):
        with pytest.raises(ValueError, match=r"checkpoint_minutes=(-1.0|nan): must be 0 .* or more"):
            StateFile(tmp_path / "last.pt", minutes)
