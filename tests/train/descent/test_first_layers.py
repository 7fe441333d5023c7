"""First layers of a backbone that are not trained: neither weights nor statistics move, the others' do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
import timm
import torch
from torch import Tensor

from faces.labels import CONTEST
from train.descent.averaging import WeightAverage
from train.descent.first_layers import check_first, freeze_first
from train.descent.optimiser import make_optimiser
from train.network.model import Network, build_model
from train.recipe.network import Averaging, Optimiser
from train.recipe.recipe import Recipe

RECIPE = Recipe(backbone="test_efficientnet", image_size=32, tasks=("gender",), pretrained=False)


def network(frozen: int) -> Network:
    torch.manual_seed(0)
    made = build_model(RECIPE, CONTEST)
    made.still = freeze_first(made.backbone, frozen)
    return made.train()


def first(name: str) -> bool:
    """Whether a name is of the stem or the first block."""
    return name.removeprefix("backbone.").startswith(("conv_stem.", "bn1.", "blocks.0."))


def changed(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> set[str]:
    return {name for name, value in after.items() if not torch.equal(value, before[name])}


def test_the_first_groups_stay_and_all_others_learn() -> None:
    made = network(2)
    average = WeightAverage(Averaging(name="ema"), made)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    optimiser = make_optimiser(made, dataclasses.replace(RECIPE.optimiser, lr=0.1))
    images = torch.randn(8, 3, 32, 32)
    for _ in range(2):
        made.train()
        sum(output.square().sum() for output in made(images).values()).backward()  # type: ignore[union-attr]
        optimiser.step()
        optimiser.zero_grad()
        average.after_step(made, 0)
    stayed = {name for name in before if first(name)}
    assert stayed and changed(before, made.state_dict()) == before.keys() - stayed
    average.recompute([images], torch.device("cpu"))
    found = average.module.state_dict()
    assert not changed(before, found) & stayed
    # The others' statistics are those of features that frozen layers make as they are.
    seen: list[Tensor] = []
    watched = average.module.get_submodule("backbone.blocks.1.0")
    watched.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    average.module.eval()(images)
    average.module.train()(images)
    assert torch.allclose(*seen, atol=1e-6)


def test_without_any_all_is_trained() -> None:
    made = network(0)
    assert made.still == () and all(parameter.requires_grad for parameter in made.parameters())


def test_frozen_layers_keep_nothing_for_a_way_back() -> None:
    made = network(1)
    features: list[Tensor] = []
    made.backbone.get_submodule("blocks.0").register_forward_pre_hook(
        lambda _, seen: features.append(seen[0])
    )
    made(torch.randn(2, 3, 32, 32))
    assert not features[0].requires_grad


@pytest.mark.parametrize("groups", [-1, 99])
def test_groups_that_there_are_not(groups: int) -> None:
    with pytest.raises(ValueError, match=r"optimiser\.frozen_layers="):
        Optimiser(frozen_layers=groups)
        network(groups)


def test_a_backbone_that_tells_no_layers() -> None:
    with pytest.raises(ValueError, match=r"frozen_layers=1.*no group_matcher"):
        freeze_first(torch.nn.Linear(2, 2), 1)
    assert freeze_first(timm.create_model("test_resnet"), 1)


def test_too_many_groups_are_refused_before_a_run_is_begun() -> None:
    check_first("test_efficientnet", 32, 0)
    check_first("test_efficientnet", 32, 2)
    with pytest.raises(ValueError, match=r"frozen_layers=99: this EfficientNet has \d+ groups of layers"):
        check_first("test_efficientnet", 32, 99)
