"""What speaks against a fold is told before the first of all folds is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.reader import Cache
from tests.helpers.coloured import write_told
from tests.train.engine.test_resume import RECIPE, plan
from train.all_folds import train_folds
from train.data.rows import fold_rows
from train.engine.processes import Processes
from train.engine.watch import Watch
from train.fold import train_fold
from train.network.backbone import make_backbone
from train.network.lone import check_lone, lone_norm
from train.ready import ready_fold, ready_folds
from train.recipe.data import Sampling
from train.recipe.network import Optimiser
from train.recipe.recipe import Recipe

pytestmark = pytest.mark.usefixtures("no_pictures")

SMALL = dataclasses.replace(RECIPE, epochs=1, augment="none")


def plans(cache: Cache, folder: Path, recipe: Recipe, count: int = 3, **changes: object) -> list:  # type: ignore[type-arg]
    return [
        dataclasses.replace(plan(cache, folder / f"fold{fold}", recipe), fold=fold, **changes)  # type: ignore[arg-type]
        for fold in range(count)
    ]


def test_a_sampler_that_a_later_fold_cannot_serve_stops_all(coloured: Cache, tmp_path: Path) -> None:
    """Only photos of fold 2's validation have weights above 0, so that fold 2 alone has none to draw."""
    rows = [fold_rows(coloured, SMALL.tasks, fold=fold, folds=3, seed=0) for fold in range(3)]
    weights = np.zeros(len(coloured))
    weights[rows[2].validation] = 1
    table = tmp_path / "weights.csv"
    keys = coloured.columns("key")["key"]
    lines = [f"{key},{weight:g}" for key, weight in zip(keys, weights, strict=True)]
    table.write_text("\n".join(["key,weight", *lines]) + "\n")
    sampler = Sampling(name="custom", table=str(table), column="weight")
    recipe = dataclasses.replace(SMALL, sampler=sampler)
    wanted = plans(coloured, tmp_path / "runs", recipe)
    assert ready_fold(wanted[0]).rows.identity == rows[0].identity
    with pytest.raises(ValueError, match=r"the weights of all 48 training photos .* are 0"):
        train_folds(wanted)
    assert not (tmp_path / "runs").exists()


def test_batches_are_compared_with_each_folds_photos_and_processes(coloured: Cache, tmp_path: Path) -> None:
    recipe = dataclasses.replace(SMALL, batch_size=50)
    with pytest.raises(ValueError, match=r"batch_size=50: .*at most 48"):
        ready_folds(plans(coloured, tmp_path, recipe))
    recipe = dataclasses.replace(SMALL, batch_size=48)
    ready_folds(plans(coloured, tmp_path, recipe))
    ready_folds(plans(coloured, tmp_path, recipe, processes=Processes(rank=1, world=2)))
    assert not [*tmp_path.iterdir()]


def test_folders_of_all_folds_are_looked_at_first(coloured: Cache, tmp_path: Path) -> None:
    wanted = plans(coloured, tmp_path, SMALL)
    other = dataclasses.replace(wanted[1], recipe=dataclasses.replace(SMALL, seed=1))
    train_fold(other, Watch())
    with pytest.raises(
        ValueError, match=r"fold1: holds a run of something else \(recipe.seed: 1 there, 0 now"
    ):
        train_folds(wanted)
    with pytest.raises(ValueError, match=r"resume: .*fold0 has no last.pt"):
        train_folds([dataclasses.replace(each, resume=True) for each in wanted])
    assert [path.name for path in tmp_path.iterdir()] == ["fold1"]


@pytest.mark.parametrize(
    ("name", "size"), [("test_resnet", 32), ("test_resnet", 64), ("test_vit", 160), ("test_efficientnet", 32)]
)
def test_layers_of_one_pixel_are_those_that_torch_cannot_train_on_one_photo(name: str, size: int) -> None:
    network = make_backbone(name, size).network.train()
    try:
        network(torch.zeros(1, 3, size, size))
        assert lone_norm(name, size) == ""
        check_lone(name, size, 1, 1)
    except ValueError as error:
        assert "Expected more than 1 value per channel" in str(error)
        assert lone_norm(name, size) in dict(network.named_modules())


@pytest.mark.slow
def test_one_photo_a_process_is_refused_before_training_and_what_is_named_trains(
    coloured: Cache, tmp_path: Path
) -> None:
    lone = dataclasses.replace(SMALL, batch_size=1, precision="auto")
    folder = tmp_path / "lone" / "fold1"
    with pytest.raises(
        ValueError, match=r"batch_size=1: .*one photo: use batch_size = 2, or image_size = 64$"
    ):
        train_fold(plan(coloured, folder, lone), Watch())
    assert not folder.exists()
    with pytest.raises(ValueError, match=r"batch_size=2: .* each of 2 processes: use batch_size = 4,"):
        check_lone("test_resnet", 32, 2, 2)
    for n, change in enumerate(({"batch_size": 2}, {"image_size": 64})):
        better = dataclasses.replace(lone, precision="fp32", **change)  # type: ignore[arg-type]
        assert train_fold(plan(coloured, tmp_path / f"{n}", better, minutes=60.0), Watch())["epoch"] == 0


def test_a_backbone_that_is_frozen_throughout_trains_on_one_photo(
    make_cache: Callable[..., Cache], tmp_path: Path
) -> None:
    few = make_cache(people=9)
    frozen = dataclasses.replace(SMALL, batch_size=1, optimiser=Optimiser(frozen_epochs=1))
    assert train_fold(plan(few, tmp_path / "frozen", frozen, minutes=60.0), Watch())["epoch"] == 0
    with pytest.raises(ValueError, match="batch_size=1"):
        ready_fold(plan(few, tmp_path / "thawed", dataclasses.replace(frozen, epochs=2)))


def test_no_network_is_built_to_look_at_folds(
    coloured: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(*_: object, **__: object) -> None:
        raise AssertionError("a network was built")

    monkeypatch.setattr("timm.create_model", built)
    assert [each.plan.fold for each in ready_folds(plans(coloured, tmp_path, SMALL))] == [0, 1, 2]


def test_one_person_of_a_band_and_two_folds_train(tmp_path: Path) -> None:
    people = np.repeat(np.arange(13), 2)
    photos = pd.DataFrame({"person": [f"p{n:02d}" for n in people], "mask": people % 3, "gender": people % 2})
    cache = write_told(tmp_path / "cache", photos.assign(age=np.where(people == 12, 65.0, 20.0 + people)))
    heard: list[str] = []

    class Ears(Watch):
        def say(self, line: str) -> None:
            heard.append(line)

    for fold in range(2):
        one = dataclasses.replace(plan(cache, tmp_path / f"fold{fold}", SMALL, 60.0), fold=fold, folds=2)
        train_fold(one, Ears())
    assert sum("p12 trains and does not validate" in line for line in heard) == 1
    assert sum("no photo that validates here is of age3: >=60" in line for line in heard) == 2
