"""Folds that begin with the backbones that another recipe trained on the same folds."""

from pathlib import Path

import pytest
import torch

from faces.cache.reader import Cache
from train.command import TrainSettings, run
from train.engine.checkpoint import load_best
from train.engine.compute import Compute

pytestmark = pytest.mark.usefixtures("no_pictures")

FIRST = """
tasks = ["mask", "gender"]
backbone = "test_resnet"
image_size = 32
normalise = false
augment = "none"
epochs = 1
batch_size = 16
precision = "fp32"
"""
SECOND = """
base = "first.toml"
begin_with = "first"
[optimiser]
name = "lbfgs"
frozen_epochs = 1
weight_decay = 0.3
"""


def settings(coloured: Cache, folder: Path, **changes: object) -> TrainSettings:
    given = {
        "recipe": folder / "second.toml",
        "cache": coloured.folder,
        "folds": 3,
        "runs": folder / "runs",
        "compute": Compute(device="cpu", threads=1),
    }
    return TrainSettings(**(given | changes))  # type: ignore[arg-type]


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    (tmp_path / "first.toml").write_text(FIRST)
    (tmp_path / "second.toml").write_text(SECOND)
    return tmp_path


@pytest.mark.parametrize("nested", [False, True])
def test_each_fold_has_the_backbone_of_the_same_fold_and_heads_of_its_own(
    coloured: Cache, recipes: Path, nested: bool
) -> None:
    run(settings(coloured, recipes, nested=nested))
    runs = sorted((recipes / "runs" / "second").glob("nested/fold*" if nested else "fold*"))
    assert len(runs) == 3
    for folder in runs:
        network, card = load_best(folder / "best.safetensors")
        other = recipes / "runs" / "first" / folder.relative_to(recipes / "runs" / "second")
        begun, before = load_best(other / "best.safetensors")
        assert card.left_out == before.left_out
        assert card.normalisation == before.normalisation
        for name, tensor in begun.backbone.state_dict().items():
            assert torch.equal(tensor, network.backbone.state_dict()[name]), name
        assert not torch.equal(begun.heads.layer("mask").weight, network.heads.layer("mask").weight)


def test_a_run_begun_with_that_was_trained_anew_is_another(coloured: Cache, recipes: Path) -> None:
    run(settings(coloured, recipes, fold=(0,)))
    best = recipes / "runs" / "first" / "fold0" / "best.safetensors"
    before = best.read_bytes()
    run(settings(coloured, recipes, fold=(0,)))
    assert best.read_bytes() == before
    (recipes / "first.toml").write_text(FIRST + "seed = 1\n")
    (recipes / "runs" / "first").rename(recipes / "elsewhere")
    with pytest.raises(ValueError, match=r"second/fold0: holds a run of something else \(beginning: "):
        run(settings(coloured, recipes, fold=(0,), recipe=recipes / "second.toml"))


@pytest.mark.parametrize(
    ("name", "first", "told"),
    [
        ("frist", FIRST, r"second.toml: begin_with='frist': no recipe .*frist.toml; name a recipe file"),
        ("../first", FIRST, r"begin_with='../first': no recipe"),
        ("second", FIRST, r"which itself has begin_with='second'; begin with a recipe that begins by itself"),
        (
            "first",
            FIRST.replace("test_resnet", "resnet10t"),
            r"trains backbone 'resnet10t', this one 'test_resnet'",
        ),
    ],
)
def test_what_cannot_be_begun_with_is_refused_before_any_training(
    coloured: Cache, recipes: Path, name: str, first: str, told: str
) -> None:
    (recipes / "base.toml").write_text(FIRST)
    (recipes / "first.toml").write_text(first)
    (recipes / "second.toml").write_text(
        SECOND.replace("first.toml", "base.toml").replace('"first"', f'"{name}"')
    )
    with pytest.raises(ValueError, match=told):
        run(settings(coloured, recipes))
    assert not (recipes / "runs").exists()
