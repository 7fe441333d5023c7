"""Networks and training states whose numbers left the range of their arithmetic are kept nowhere."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from faces.cache.reader import Cache
from tests.train.engine.test_resume import RECIPE, Cut, plan
from train.engine.card import RunError
from train.engine.finite import FiniteOutputs, unfinite_state
from train.engine.loop import FoldTraining
from train.engine.processes import Processes
from train.engine.state import load_state, read_state, save_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.model import Network
from train.recipe.network import Optimiser, Schedule
from train.recipe.recipe import Age, Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

QUICK = dataclasses.replace(RECIPE, augment="none", schedule=Schedule(name="constant"))
"""Two epochs of six batches."""


def test_infinite_logits_are_seen_though_their_probabilities_are_0_and_1() -> None:
    outputs = torch.tensor([[1.0, -1.0], [math.inf, -1.0], [math.nan, 0.0]])
    finite = FiniteOutputs(5)
    finite.look("age3", outputs[:1], outputs[:1].sigmoid(), slice(0, 1))
    finite.check("runs/x", "cure", str)
    finite.look("age3", outputs, outputs.sigmoid(), slice(2, 5))
    with pytest.raises(ValueError, match=r"^runs/x, head age3: the outputs for 2 photos .* has key 3; cure$"):
        finite.check("runs/x", "cure", str)


def test_probabilities_that_are_not_finite_are_refused_too() -> None:
    finite = FiniteOutputs(1)
    finite.look("age", torch.zeros(1, 2), torch.full((1, 3), math.nan), slice(0, 1))
    with pytest.raises(ValueError, match="head age: the outputs for 1 photos"):
        finite.check("run", "cure", str)


def test_photos_of_all_processes_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other process found three, this one none: both stop, and neither waits for the other's answers."""
    monkeypatch.setattr(Processes, "mean", lambda _, value: (value + 3) / 2)
    finite = FiniteOutputs(2)
    finite.look("mask", torch.zeros(2, 3), torch.ones(2, 3), slice(0, 2))
    with pytest.raises(ValueError, match="head mask: the outputs for 3 photos are not finite; cure"):
        finite.check("run", "cure", str, Processes(rank=0, world=2))


@pytest.mark.parametrize(
    ("coding", "precision", "largest", "epoch"), [("ordinal", "fp16", 6e4, 1), ("classes", "fp32", 3e38, 2)]
)
def test_an_epoch_whose_outputs_overflow_is_not_kept(
    coloured: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    coding: Any,
    precision: Any,
    largest: float,
    epoch: int,
) -> None:
    """The weights are finite; what they make of the validation photos in this precision is not."""
    recipe = dataclasses.replace(QUICK, tasks=("age3",), age=Age(coding=coding), precision=precision)
    evaluated, eval_mode = [0], Network.eval

    def overflowing(self: Network) -> Network:
        evaluated[0] += 1
        if evaluated[0] == epoch:
            for parameter in self.heads.parameters():
                parameter.data.fill_(largest)
        return eval_mode(self)

    monkeypatch.setattr(Network, "eval", overflowing)
    folder = tmp_path / "a run" / "fold1"
    with pytest.raises(ValueError) as error:
        train_fold(plan(coloured, folder, recipe, minutes=60.0), Watch())
    told = str(error.value)
    assert told.startswith(
        f"{folder}: validation of epoch {epoch} in {precision}, head age3: the outputs for "
    )
    assert "the first has key 0000" in told and "the epoch is not kept" in told
    named = f"WEIGHTS={shlex.quote(str(folder / 'best.safetensors'))}"
    state = load_state(folder / "last.pt")
    if epoch == 1:
        assert state is None and named not in told
        assert not [*folder.glob("best*"), *folder.glob("oof*"), *folder.glob("metrics*")]
    else:
        assert state is not None and len(state["history"]) == 1 and named in told
        assert (folder / "metrics.csv").read_text().count("\n") == 2


def test_weights_that_are_not_finite_end_training_before_anything_of_them_is_saved(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come after a step whose loss was finite; in mid-epoch, or where nobody validates, none tells."""
    recipe = dataclasses.replace(QUICK, optimiser=Optimiser(name="sgd", lr=1e3))
    descend = "train.engine.step.Step._descend"

    def spoiled(self: Any, epoch: int) -> None:
        self.network.heads.layer("mask").weight.data[0, 0] = math.inf

    monkeypatch.setattr(descend, spoiled)
    for minutes, after in ((0.0, 1), (60.0, 9)):
        one = dataclasses.replace(plan(coloured, tmp_path / str(minutes), recipe, minutes), fold=0)
        one = dataclasses.replace(one, scheme="everything")
        if after == 9:  # the loss after the first batch would tell
            monkeypatch.setattr(FoldTraining, "_mean_loss", lambda _: 1.0)
        with pytest.raises(
            ValueError, match=rf"epoch 1, after {after} of its .* 'model: heads.* NaN or infinite"
        ):
            train_fold(one, Watch())
        assert not [*one.folder.glob("last*.pt"), *one.folder.glob("best*")]


def spoilt(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    state = read_state(path)
    change(state)
    path.unlink()
    save_state(state, path)


@pytest.mark.parametrize("table", ["model", "optimiser"])
def test_a_state_that_is_not_finite_gives_way_to_the_one_before_it(
    coloured: Cache, tmp_path: Path, table: str
) -> None:
    """Programs of before saved such states."""
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, tmp_path), Cut(3))

    def spoil(state: dict[str, Any]) -> None:
        if table == "model":
            state["model"]["heads.layers.mask.weight"][0, 0] = math.nan
        else:
            state["optimiser"]["state"][0]["exp_avg_sq"].fill_(math.inf)

    last, previous = tmp_path / "last.pt", tmp_path / "last.previous.pt"
    before = previous.read_bytes()
    spoilt(last, spoil)
    previous.write_bytes(before)
    watch = Cut(0)
    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, tmp_path), watch)
    assert f"values of '{table}: " in watch.lines[0] and "going on from last.previous.pt" in watch.lines[0]
    assert "resuming in epoch 1 of 2, after 3 of its 6 batches" in watch.lines[1]
    spoilt(last, spoil)
    previous.unlink(missing_ok=True)
    with pytest.raises(
        RunError, match=r"NaN or infinite, nothing can go on from it; .*copy the recipe under"
    ):
        train_fold(plan(coloured, tmp_path), Watch())


def test_scores_and_numbers_beside_tensors_may_be_what_they_are() -> None:
    good = {"model": {"w": torch.ones(2), "n": torch.tensor(3)}, "average": {"updates": 2}}
    assert (
        unfinite_state({**good, "history": [{"f1": math.nan}], "optimiser": {"state": {0: {"step": 1.0}}}})
        == ""
    )
    bad = {**good, "optimiser": {"state": {0: {"a": torch.tensor([math.inf]), "b": torch.tensor(math.nan)}}}}
    assert unfinite_state(bad) == "'optimiser: state.0.a' and 1 more tensors"


def test_what_is_named_to_change_trains(coloured: Cache, tmp_path: Path) -> None:
    """The same recipe comes to the same end however often; a copy with what is named goes through."""
    bad = dataclasses.replace(QUICK, epochs=1, optimiser=Optimiser(name="sgd", lr=1e12))
    told = []
    for _ in range(2):
        with pytest.raises(ValueError, match="the loss is not finite") as error:
            train_fold(plan(coloured, tmp_path / "bad" / "fold1", bad), Watch())
        told.append(str(error.value))
    assert told[0] == told[1]
    assert "going on from a saved state comes to the same end" in told[0]
    assert told[0].endswith(
        "a lower optimiser.lr than 1e+12 or optimiser.clip = 1.0, and train that; it begins anew"
    )
    good: Recipe = dataclasses.replace(bad, optimiser=Optimiser(name="sgd", lr=1e-3, clip=1.0))
    assert train_fold(plan(coloured, tmp_path / "good" / "fold1", good), Watch())["epoch"] == 0
