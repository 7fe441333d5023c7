"""Exchanged layers: the same network in everything but its speed in training."""

from __future__ import annotations

import copy
from unittest.mock import patch

import pytest
import timm
import torch
from torch import Tensor, nn

from train.loops import convolution, norm
from train.loops.swap import exchanged, use_loops, use_plain


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 48, 48, generator=torch.manual_seed(3)).to(memory_format=torch.channels_last)


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, num_classes=3).to(memory_format=torch.channels_last).train()
    return network


def gradients(network: nn.Module, images: Tensor) -> Tensor:
    network(images).square().sum().backward()
    return torch.cat([p.grad.double().flatten() for p in network.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet"])
def test_a_network_learns_the_same(name: str, images: Tensor) -> None:
    # Networks of many bends differ in which side of one a number falls to, by chance.
    plain = made(name)
    ours, exact = copy.deepcopy(plain), copy.deepcopy(plain).double()
    use_loops(ours)
    assert exchanged(ours)
    pairs = ((plain, images), (ours, images), (exact, images.double()))
    torchs, mine, true = (gradients(*pair) for pair in pairs)
    assert (mine - true).norm() <= 2 * (torchs - true).norm() + 1e-5 * true.norm()
    assert [*ours.state_dict()] == [*plain.state_dict()]
    before = plain.state_dict()
    for key, value in ours.state_dict().items():
        assert torch.allclose(value, before[key], rtol=1e-4, atol=1e-4), key


def test_layers_come_back_as_they_were() -> None:
    network = made("tf_efficientnet_lite0")
    kinds = [type(layer) for layer in network.modules()]
    use_loops(network)
    assert exchanged(network) > 60
    use_plain(network)
    assert [type(layer) for layer in network.modules()] == kinds and not exchanged(network)


def test_our_loops_run_in_training_alone(images: Tensor) -> None:
    network = made("lcnet_050")
    use_loops(network)
    with (
        patch.object(norm, "run_parts", side_effect=AssertionError),
        patch.object(convolution, "run_parts", side_effect=AssertionError),
    ):
        with torch.no_grad():
            network(images)
        network.eval()(images)
        rows_apart = copy.deepcopy(network).train().to(memory_format=torch.contiguous_format)
        rows_apart(images.contiguous())
        network.train()
        with torch.autocast("cpu", torch.bfloat16):
            network(images)
        with pytest.raises(AssertionError):
            network(images)
