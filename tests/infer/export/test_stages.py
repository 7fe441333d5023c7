"""An export of a network whose heads stand on earlier stages of its backbone, too."""

import dataclasses
from pathlib import Path

import torch

from infer.export.network import RunOnViews
from infer.predict.runs import read_run
from tests.helpers.runs.untrained_runs import write_run
from train.engine.checkpoint import load_best
from train.recipe.recipe import Recipe

RECIPE = Recipe(tasks=("mask",), backbone="test_resnet", image_size=64, precision="fp32")


def test_an_export_sees_all_stages_that_the_heads_stand_on(tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, head=dataclasses.replace(RECIPE.head, stages=2))
    path = write_run(tmp_path / "some", recipe)
    network, card = load_best(path)
    photos = 255 * torch.rand(2, 3, 64, 64)
    mean, std = (255 * torch.tensor(each)[:, None, None] for each in vars(card.normalisation).values())
    member = RunOnViews(read_run("some/fold0", path), ("original",), "soft")
    with torch.inference_mode():
        found, expected = member.outputs(photos)["mask"], network((photos - mean) / std)["mask"]
    torch.testing.assert_close(found, expected)
    assert found.std(0).min() > 0
