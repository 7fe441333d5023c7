"""What one step, one epoch and the end of training are, by comparison with the same done otherwise."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from faces.labels import UNKNOWN
from train.assemble import FoldPlan, assemble
from train.data.rows import fold_rows
from train.engine.card import read_card
from train.engine.checkpoint import load_best
from train.engine.loop import FoldTraining
from train.engine.state import load_state
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.losses import class_weights
from train.network.model import Network
from train.recipe.network import Averaging, Head, Loss, Optimiser, Schedule
from train.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

# Without batch normalisation or dropout: 48 photos train in three batches of 16.
RECIPE = Recipe(
    tasks=("mask", "gender", "age3"),
    backbone="test_vit",
    image_size=32,
    epochs=2,
    batch_size=16,
    precision="fp32",
    optimiser=Optimiser(name="sgd", lr=0.05),
)


def plan(cache: Cache, folder: Path, recipe: Recipe = RECIPE, **changed: object) -> FoldPlan:
    settings: dict = {"fold": 1, "folds": 3, "fold_seed": 0, "device": "cpu", "threads": 1} | changed
    return FoldPlan(recipe=recipe, cache=cache, folder=folder, **settings)


def assembled(cache: Cache, folder: Path, recipe: Recipe = RECIPE) -> FoldTraining:
    return assemble(plan(cache, folder, recipe), fold_rows(cache, recipe.tasks, fold=1, folds=3, seed=0))


def weights(training: FoldTraining) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in training.network.parameters()])


def run_batches(training: FoldTraining, epoch: int = 0, count: int = 99) -> list[float]:
    training.step.model.train()
    batches = zip(range(count), training.training.epoch(epoch), strict=False)
    return [float(training.step(*batch, epoch=epoch, batch=number)) for number, batch in batches]


@pytest.mark.parametrize("accumulate", [2, 4])
def test_accumulated_batches_are_one_larger_batch(coloured: Cache, tmp_path: Path, accumulate: int) -> None:
    """Six batches of 8: in fours the last step has only two of them."""
    small = dataclasses.replace(
        RECIPE, batch_size=8, optimiser=Optimiser(name="sgd", lr=0.05, momentum=0.0, accumulate=accumulate)
    )
    one = assembled(coloured, tmp_path, small)
    run_batches(one)
    large = dataclasses.replace(small, batch_size=16, optimiser=Optimiser(name="sgd", lr=0.05, momentum=0.0))
    other = assembled(coloured, tmp_path, large)
    if accumulate == 2:
        run_batches(other)
        torch.testing.assert_close(weights(one), weights(other), rtol=1e-5, atol=1e-6)
    assert one.schedule.last_epoch == 6 // accumulate + (6 % accumulate > 0)


def test_a_clipped_gradient_moves_no_farther_than_its_norm(coloured: Cache, tmp_path: Path) -> None:
    optimiser = Optimiser(name="sgd", lr=1.0, momentum=0.0, clip=0.01)
    recipe = dataclasses.replace(RECIPE, optimiser=optimiser, schedule=Schedule(name="constant"))
    training = assembled(coloured, tmp_path, recipe)
    before = weights(training)
    run_batches(training, count=1)
    assert float((weights(training) - before).norm()) == pytest.approx(0.01, rel=1e-3)


def test_sharpness_aware_steps_take_the_gradient_uphill(coloured: Cache, tmp_path: Path) -> None:
    """One step by hand: the gradient at w + rho g / |g|."""
    plain = Optimiser(name="sgd", lr=0.1, momentum=0.0)
    schedule = Schedule(name="constant")
    recipe = dataclasses.replace(RECIPE, optimiser=dataclasses.replace(plain, sam=0.5), schedule=schedule)
    sharp = assembled(coloured, tmp_path, recipe)
    hand = assembled(coloured, tmp_path, dataclasses.replace(RECIPE, optimiser=plain, schedule=schedule))
    start = weights(hand)
    run_batches(hand, count=1)
    gradient = (start - weights(hand)) / 0.1
    uphill = start + 0.5 * gradient / gradient.norm()
    torch.nn.utils.vector_to_parameters(uphill.clone(), hand.network.parameters())
    run_batches(hand, count=1)
    expected = start - (uphill - weights(hand))
    run_batches(sharp, count=1)
    torch.testing.assert_close(weights(sharp), expected, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(expected, start - 0.1 * gradient, atol=1e-4)


def test_a_step_is_a_function_of_its_place(coloured: Cache, tmp_path: Path) -> None:
    """Dropout does not depend on what was drawn before."""
    recipe = dataclasses.replace(RECIPE, head=Head(dropout=0.5, samples=3))
    losses = []
    for _ in range(2):
        training = assembled(coloured, tmp_path, recipe)
        torch.rand(len(losses) * 7 + 1)
        losses.append(run_batches(training))
    assert losses[0] == losses[1]


def test_the_backbone_waits_while_it_is_frozen(coloured: Cache, tmp_path: Path) -> None:
    optimiser = Optimiser(name="adamw", lr=1e-2, weight_decay=0.1, frozen_epochs=1)
    recipe = dataclasses.replace(RECIPE, backbone="test_resnet", optimiser=optimiser)
    training = assembled(coloured, tmp_path, recipe)

    class Look(Watch):
        def __init__(self) -> None:
            self.moved: list[bool] = []

        def advance(self, photos: int, loss: float = math.nan) -> None:
            state = training.network.backbone.state_dict()
            self.moved.append(any(not torch.equal(start[name], value) for name, value in state.items()))

    start = {name: value.clone() for name, value in training.network.backbone.state_dict().items()}
    heads = {name: value.clone() for name, value in training.network.heads.state_dict().items()}
    watch, file = Look(), _NoFile()
    training.run_epoch(watch, file)  # type: ignore[arg-type]
    assert not any(watch.moved)
    assert not all(torch.equal(heads[n], v) for n, v in training.network.heads.state_dict().items())
    training.run_epoch(watch, file)  # type: ignore[arg-type]
    assert watch.moved[-1]


class _NoFile:
    due = False


@pytest.mark.parametrize("name", ["ema", pytest.param("swa", marks=pytest.mark.slow)])
def test_averaged_weights_are_validated_kept_and_resumed(coloured: Cache, tmp_path: Path, name: str) -> None:
    averaging = Averaging(name=name, decay=0.8, start_epoch=1)  # type: ignore[arg-type]
    recipe = dataclasses.replace(RECIPE, backbone="test_resnet", epochs=3, averaging=averaging)
    train_fold(plan(coloured, tmp_path / "whole", recipe), Watch())

    class Cut(Watch):
        left = 8

        def advance(self, photos: int, loss: float = math.nan) -> None:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_fold(plan(coloured, tmp_path / "cut", recipe, checkpoint_minutes=0.0), Cut())
    train_fold(plan(coloured, tmp_path / "cut", recipe), Watch())
    for file in ("best.safetensors", "oof.parquet"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "cut" / file).read_bytes()
    best, card = load_best(tmp_path / "whole" / "best.safetensors")
    state = load_state(tmp_path / "whole" / "last.pt")
    assert state is not None and card.epoch == 2
    averaged = state["average"]["module"]
    assert all(torch.equal(value, averaged[n]) for n, value in best.state_dict().items())
    assert any(not torch.equal(value, state["model"][n]) for n, value in best.state_dict().items())


def test_training_stops_when_the_best_is_not_beaten_for_long(coloured: Cache, tmp_path: Path) -> None:
    """At rate 0 nothing is learned, so the first epoch stays the best; kept is it, or the last."""
    still = Optimiser(name="sgd", lr=1e-12, momentum=0.0)
    waiting = dataclasses.replace(RECIPE, epochs=9, stop_after=2, optimiser=still)
    for keep, epoch in (("best", 0), ("last", 2)):
        wanted = plan(coloured, tmp_path / keep, dataclasses.replace(waiting, keep=keep))  # type: ignore[arg-type]
        row = train_fold(wanted, Watch())
        assert row["epoch"] == epoch == read_card(wanted.folder / "best.safetensors").epoch
        assert len(pd.read_csv(wanted.folder / "metrics.csv")) == 3
        assert train_fold(wanted, Watch()) == row


def test_the_validation_loss_is_the_objective_over_all_photos_that_validate(
    coloured: Cache, tmp_path: Path
) -> None:
    """Cross-entropies of the probabilities, each mean over the photos of its head, whatever the batches; with
    class weights that count late, as in the last epoch, from the first on."""
    seniors = dataclasses.replace(RECIPE, tasks=("mask", "senior"), epochs=2)
    late = Loss(class_weights="inverse", defer_epochs=1)
    for recipe, weighs in ((seniors, False), (dataclasses.replace(seniors, batch_size=8, loss=late), True)):
        training = assembled(coloured, tmp_path, recipe)
        answers, found = training.validate(lambda _: None)
        expected = 0.0
        for task, each in answers.items():
            truth = coloured.labels(task)[training.rows.validation]
            known = truth != UNKNOWN
            weights = np.ones(each.shape[1])
            if weighs:
                mine = coloured.labels(task)[training.rows.training]
                weights = class_weights(late, torch.from_numpy(np.bincount(mine[mine != UNKNOWN]))).numpy()
            mass = weights[truth[known]]
            expected += (mass * -np.log(each[known, truth[known]])).sum() / mass.sum()
        assert found == pytest.approx(expected, rel=1e-4)


def test_stopping_and_keeping_by_loss(coloured: Cache, tmp_path: Path) -> None:
    """At steps this large the loss soon rises."""
    up = dataclasses.replace(
        RECIPE, epochs=9, stop_after=1, keep="best", best_by="loss", optimiser=Optimiser(name="sgd", lr=0.3)
    )
    row = train_fold(plan(coloured, tmp_path, up), Watch())
    losses = pd.read_csv(tmp_path / "metrics.csv").validation_loss
    assert row["validation_loss"] == losses.min() and row["epoch"] == losses.argmin()
    assert len(losses) == losses.argmin() + 2 or len(losses) == 9


def test_everything_trains_and_the_last_epoch_is_kept(coloured: Cache, tmp_path: Path) -> None:
    row = train_fold(plan(coloured, tmp_path, fold=0, scheme="everything"), Watch())
    assert row["epoch"] == 1
    assert "macro_f1" not in row
    assert not (tmp_path / "oof.parquet").exists()
    card = read_card(tmp_path / "best.safetensors")
    assert (card.epoch, card.scheme) == (1, "everything")
    assert math.isnan(card.score)
    for stuck in ({"stop_after": 1}, {"schedule": Schedule(name="plateau")}):
        recipe = dataclasses.replace(RECIPE, **stuck)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="both wait for validation scores, and nobody validates"):
            train_fold(plan(coloured, tmp_path / "other", recipe, fold=0, scheme="everything"), Watch())


def test_a_loss_gone_astray_names_step_samples_and_rate(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Network.forward
    calls = []

    def broken(self: Network, images: torch.Tensor) -> dict[str, torch.Tensor]:
        calls.append(self.training)
        outputs = forward(self, images)
        return {name: values * math.nan if sum(calls) == 5 else values for name, values in outputs.items()}

    monkeypatch.setattr(Network, "forward", broken)
    recipe = dataclasses.replace(RECIPE, schedule=Schedule(name="step", step_epochs=1, gamma=0.5))
    with pytest.raises(ValueError, match=r"epoch 2, batch 2 of 3 \(step 5\) at .* the loss is not") as error:
        train_fold(plan(coloured, tmp_path, recipe), Watch())
    assert "at learning rate 0.025" in str(error.value)
    keys = re.search(r"keys ([0-9, ]+):", str(error.value))
    assert keys
    rows = assembled(coloured, tmp_path, recipe).training.batch_rows(1, 1)
    assert keys[1].split(", ") == coloured.index.key.iloc[rows].tolist()
    state = load_state(tmp_path / "last.pt")
    assert state is not None
    assert all(v.isfinite().all() for v in state["model"].values())
