"""Folded norms get statistics of training photos where the backbone is trained, and nothing else changes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save, save_file
from torch import nn

from faces.cache.reader import Cache
from tests.train.engine.test_resume import RECIPE, plan
from train.assemble import assemble
from train.first_statistics import unfold
from train.network.model import Network, build_model
from train.network.weights_file import digest_of
from train.ready import ready_fold
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe
from train.weights.card import HEADER, card_of, card_text
from train.weights.known import KNOWN


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Starts from weights whose norms are folded."""
    torch.manual_seed(0)
    network = timm.create_model("test_resnet")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.bias, -1, 1)
    known = dataclasses.replace(KNOWN["face"], backbone="test_resnet")
    card = card_of(known, digest_of(save(network.state_dict())))
    path = tmp_path / "folded.safetensors"
    save_file(network.state_dict(), path, metadata={HEADER: card_text(card)})
    return dataclasses.replace(RECIPE, backbone="test_resnet", weights=str(path))


def filled(recipe: Recipe, cache: Cache, rows: np.ndarray) -> Network:  # type: ignore[type-arg]
    torch.manual_seed(0)
    network = build_model(recipe, cache.label_set).to(memory_format=torch.channels_last)
    unfold(network, recipe, cache, rows, 1)
    return network


def test_answers_of_evaluation_stay_and_the_result_follows_from_the_rows(
    recipe: Recipe, coloured: Cache
) -> None:
    rows = np.arange(40)
    frozen = dataclasses.replace(recipe, optimiser=Optimiser(frozen_epochs=recipe.epochs))
    before, after, again = (filled(each, coloured, rows) for each in (frozen, recipe, recipe))
    assert len(before.notes) == 1 and "statistics of 40 training photos" in after.notes[-1]
    assert after.training
    images = torch.rand(4, 3, recipe.image_size, recipe.image_size)
    with torch.inference_mode():
        for task, answers in before.eval()(images).items():
            torch.testing.assert_close(after.eval()(images)[task], answers, rtol=1e-3, atol=1e-4)
    changed = [n for n, t in before.state_dict().items() if not torch.equal(t, after.state_dict()[n])]
    assert changed and not [n for n in changed if "heads" in n or "conv.weight" in n]
    assert all(torch.equal(t, again.state_dict()[n]) for n, t in after.state_dict().items())
    other = filled(recipe, coloured, rows + 20)
    assert not torch.equal(
        other.backbone.state_dict()[changed[0][9:]], after.backbone.state_dict()[changed[0][9:]]
    )


def test_training_begins_with_them_and_at_most_so_many_photos_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, recipe: Recipe, coloured: Cache, tmp_path: Path
) -> None:
    wanted = plan(coloured, tmp_path / "fold0", recipe)
    ready = ready_fold(wanted)
    monkeypatch.setattr("train.first_statistics.MOST_PHOTOS", 10)
    training = assemble(ready.plan, ready.rows)
    assert "statistics of 10 training photos" in training.network.notes[-1]
