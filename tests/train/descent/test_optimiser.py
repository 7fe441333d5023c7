"""Which parameters an optimiser trains, decays and slows, against timm's own grouping of whole models."""

import dataclasses
from typing import Any, Literal

import pytest
import timm
import torch
from timm.optim import param_groups_layer_decay
from torch import nn
from torch.optim import Optimizer

import train.network.model  # noqa: F401 (registers mobilenetv1_025)
from train.descent.optimiser import make_optimiser
from train.descent.schedule import Schedule, make_schedule
from train.recipe.network import Optimiser

BACKBONES = [
    "test_resnet",
    "test_vit",
    "mobilenetv1_025",
    "efficientnet_b0",
    "densenet121",
    "swin_tiny_patch4_window7_224",
]


class TwoParts(nn.Module):
    """A backbone and two heads of a linear layer each."""

    def __init__(self, backbone: nn.Module, features: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ModuleDict({name: nn.Linear(features, 3) for name in ("mask", "age3")})


def network_of(backbone: str) -> TwoParts:
    """Without memory for the weights, which these tests do not look at."""
    with torch.device("meta"):
        body = timm.create_model(backbone, num_classes=0)
        return TwoParts(body, body.num_features)


def of_parameters(network: nn.Module, optimiser: Optimizer, key: str) -> dict[str, float]:
    """What the optimiser's groups say, by the parameter's name; fails for one in several groups."""
    names = {parameter: name for name, parameter in network.named_parameters()}
    pairs = [(names[p], group[key]) for group in optimiser.param_groups for p in group["params"]]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


@pytest.mark.parametrize("layer_decay", [1.0, 0.7])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_parameter_is_in_one_group_and_only_matrices_decay(backbone: str, layer_decay: float) -> None:
    network = network_of(backbone)
    settings = Optimiser(weight_decay=0.5, layer_decay=layer_decay)
    decays = of_parameters(network, make_optimiser(network, settings), "weight_decay")
    parameters = dict(network.named_parameters())
    assert decays.keys() == parameters.keys()
    exempt = {f"backbone.{name}" for name in getattr(network.backbone, "no_weight_decay", set)()}
    assert exempt & parameters.keys() or "vit" not in backbone
    for name, parameter in parameters.items():
        assert decays[name] == (0.5 if parameter.ndim > 1 and name not in exempt else 0.0), name


@pytest.mark.parametrize("backbone", BACKBONES)
def test_layers_learn_as_slowly_as_in_timms_whole_model(backbone: str) -> None:
    network = network_of(backbone)
    with torch.device("meta"):
        whole = timm.create_model(backbone, num_classes=6)
    names = {parameter: name for name, parameter in whole.named_parameters()}
    theirs = {
        names[parameter]: group["lr_scale"]
        for group in param_groups_layer_decay(whole, layer_decay=0.5)
        for parameter in group["params"]
    }
    optimiser = make_optimiser(network, Optimiser(lr=0.02, layer_decay=0.5))
    rates = of_parameters(network, optimiser, "lr")
    for name, parameter_rate in rates.items():
        own = name.removeprefix("backbone.")
        assert parameter_rate == pytest.approx(0.02 * (1 if name.startswith("heads.") else theirs[own])), name
    assert len(set(rates.values())) == len(set(theirs.values())) > 4
    assert optimiser.param_groups[0]["lr"] == max(rates.values()) == 0.02


def test_an_exponent_within_the_backbone_learns_and_decays_like_the_heads_biases() -> None:
    plain, network = network_of("test_resnet"), network_of("test_resnet")
    network.backbone.global_pool = nn.Module()
    network.backbone.global_pool.p = nn.Parameter(torch.ones(1, device="meta"))
    settings = Optimiser(lr=0.02, weight_decay=0.1, layer_decay=0.5)
    optimiser = make_optimiser(network, settings)
    rates = of_parameters(network, optimiser, "lr")
    assert rates.pop("backbone.global_pool.p") == 0.02
    assert rates == of_parameters(plain, make_optimiser(plain, settings), "lr")
    assert of_parameters(network, optimiser, "weight_decay")["backbone.global_pool.p"] == 0


def test_rates_of_layers_survive_a_schedule() -> None:
    network = TwoParts(timm.create_model("test_resnet", num_classes=0), 64)
    optimiser = make_optimiser(network, Optimiser(name="sgd", lr=0.08, layer_decay=0.5, momentum=0))
    make_schedule(
        optimiser, Schedule(name="constant", warmup_epochs=1), steps_per_epoch=4, epochs=4, falls=lambda: 0
    )
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    after = dict(network.named_parameters())
    for name, layers in {"heads.mask.weight": 0, "backbone.layer4.0.conv1.weight": 1}.items():
        torch.testing.assert_close(before[name] - after[name], torch.full_like(after[name], 0.02 / 2**layers))


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd_nesterov", "SGD")])
def test_optimisers_are_timms_and_do_not_decay_biases(
    name: Literal["adam", "adamw", "sgd_nesterov"], kind: str
) -> None:
    optimiser = make_optimiser(network_of("test_resnet"), Optimiser(name=name, lr=0.1, weight_decay=0.5))
    assert type(optimiser).__name__ == kind
    decays = {group["weight_decay"]: {p.ndim for p in group["params"]} for group in optimiser.param_groups}
    assert decays == {0.0: {1}, 0.5: {2, 4}}


@pytest.mark.parametrize(("name", "moved"), [("sgd", 1 + 1.5), ("sgd_nesterov", 1.5 + 1.75)])
def test_sgd_has_plain_or_nesterovs_momentum(name: Literal["sgd", "sgd_nesterov"], moved: float) -> None:
    # Gradient 1 twice, momentum 1/2: velocities 1 and 1.5; Nesterov moves by 1 + velocity / 2.
    network = TwoParts(nn.Linear(1, 1, bias=False), 1)
    settings = Optimiser(name=name, lr=0.1, momentum=0.5)
    optimiser = make_optimiser(network, settings)
    before = network.backbone.weight.item()
    for _ in range(2):
        network.backbone.weight.grad = torch.ones(1, 1)
        optimiser.step()
    assert before - network.backbone.weight.item() == pytest.approx(0.1 * moved)


def test_parameters_frozen_for_good_are_left_out() -> None:
    network = network_of("test_vit")
    network.backbone.requires_grad_(False)
    for layer_decay in (1.0, 0.7):
        rates = of_parameters(
            network, make_optimiser(network, Optimiser(lr=0.1, layer_decay=layer_decay)), "lr"
        )
        assert rates == {name: 0.1 for name in dict(network.named_parameters()) if name.startswith("heads.")}


def test_layer_decay_of_a_backbone_without_layers_is_refused() -> None:
    settings = Optimiser(layer_decay=0.75)
    network: Any = TwoParts(nn.Linear(2, 2), 2)
    with pytest.raises(ValueError, match=r"layer_decay=0\.75: timm's Linear has no group_matcher.*= 1\.0"):
        make_optimiser(network, settings)
    make_optimiser(network, dataclasses.replace(settings, layer_decay=1.0))
