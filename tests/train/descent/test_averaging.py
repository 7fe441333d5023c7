"""Averages against their closed forms, batch-normalisation statistics by hand, and resuming to the bit."""

import copy
import io
import math
from collections.abc import Iterator
from typing import Literal

import pytest
import timm
import torch
from torch import Tensor, nn

from train.descent.averaging import WeightAverage, decay_after
from train.recipe.network import Averaging

CPU = torch.device("cpu")


def set_weights(network: nn.Module, value: float) -> None:
    for parameter in network.parameters():
        nn.init.constant_(parameter, value)


def convolved() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Dropout(0.5))


def test_ema_forgets_by_its_decay_a_step_once_it_has_warmed_up() -> None:
    network = nn.Linear(2, 3)
    average = WeightAverage(Averaging(name="ema", decay=0.2), network)
    for value in (1.0, 2.0, 4.0):
        set_weights(network, value)
        average.after_step(network, 0)
        average.after_epoch(network, 0)
    first, second = 2 / 11, 0.2  # (1 + 1) / (10 + 1) is below it, (1 + 2) / (10 + 2) above
    expected = second * (first * 1 + (1 - first) * 2) + (1 - second) * 4
    for name, weights in average.module.state_dict().items():
        torch.testing.assert_close(weights, torch.full_like(network.state_dict()[name], expected))


@pytest.mark.parametrize("steps", [5, 480])
def test_a_long_ema_forgets_the_weights_begun_with(steps: int) -> None:
    """After n updates they weigh prod (1 + k) / (10 + k) = 10! (n + 1)! / (n + 10)!, and not .999^n."""
    network = nn.Linear(1, 1).double()
    average = WeightAverage(Averaging(name="ema", decay=0.999), network)
    set_weights(network, 1.0)
    average.after_step(network, 0)
    set_weights(network, 0.0)
    for _ in range(steps):
        average.after_step(network, 0)
    begun_with = average.module.weight.item()
    assert begun_with == pytest.approx(
        math.factorial(10) * math.factorial(steps + 1) / math.factorial(steps + 10)
    )
    assert begun_with < 0.01
    assert [decay_after(updates, 0.999) for updates in (8988, 8990, 10**6)] == [8989 / 8998, 0.999, 0.999]


def test_swa_is_the_arithmetic_mean_of_the_epochs_from_its_start_on() -> None:
    network = timm.create_model("test_resnet", num_classes=0)
    average = WeightAverage(Averaging(name="swa", start_epoch=2), network)
    ends = []
    for epoch in range(5):
        for parameter in network.parameters():
            nn.init.normal_(parameter)
        average.after_step(network, epoch)
        assert average.begun == (epoch > 2)
        average.after_epoch(network, epoch)
        assert average.begun == (epoch >= 2)
        ends.append([parameter.detach().clone() for parameter in network.parameters()])
    for parameter, *values in zip(average.module.parameters(), *ends[2:], strict=True):
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(parameter, torch.stack(values).mean(0), rtol=1e-5, atol=1e-6)


def test_ema_begins_with_the_first_step_of_its_epoch_as_a_copy() -> None:
    network = nn.Linear(2, 2)
    average = WeightAverage(Averaging(name="ema", decay=0.5, start_epoch=1), network)
    set_weights(network, 1.0)
    average.after_step(network, 0)
    assert not average.begun
    set_weights(network, 2.0)
    average.after_step(network, 1)
    assert average.begun
    assert average.module.weight.unique().tolist() == [2.0]
    set_weights(network, 3.0)
    assert average.module.weight.unique().tolist() == [2.0]


def test_the_average_has_the_networks_keys_and_its_buffers_but_no_gradients() -> None:
    network = convolved()
    average = WeightAverage(Averaging(name="ema"), network)
    for _ in range(3):
        network(torch.randn(2, 3, 4, 4)).sum().backward()
        average.after_step(network, 0)
    own, kept = network.state_dict(), average.module.state_dict()
    assert [*own] == [*kept]
    for name, buffer in network.named_buffers():
        assert torch.equal(kept[name], buffer)
        assert kept[name].data_ptr() != buffer.data_ptr()
    assert kept["1.num_batches_tracked"] == 3
    assert not any(parameter.requires_grad for parameter in average.module.parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_without_averaging_there_is_none() -> None:
    network = nn.Linear(2, 2)
    average = WeightAverage(Averaging(), network)
    average.after_step(network, 5)
    average.after_epoch(network, 5)
    assert not average.begun
    assert average.state_dict() == {}
    average.load_state_dict({})
    assert not average.begun


@pytest.mark.parametrize("training", [True, False])
def test_recomputed_statistics_are_the_means_over_the_batches(training: bool) -> None:
    network = convolved()
    average = WeightAverage(Averaging(name="ema", decay=0.5), network)
    average.after_step(network, 0)
    nn.init.normal_(network[0].weight)
    average.after_step(network, 0)
    average.module.train(training)
    batches = [torch.randn(size, 3, 5, 5) + size for size in (2, 4, 3)]
    state = torch.get_rng_state()
    average.recompute(iter(batches), CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert {module.training for module in average.module.modules()} == {training}
    maps = [average.module[0](images).transpose(0, 1).flatten(1) for images in batches]  # type: ignore[index]
    layer = average.module[1]  # type: ignore[index]
    torch.testing.assert_close(layer.running_mean, torch.stack([m.mean(1) for m in maps]).mean(0))
    torch.testing.assert_close(layer.running_var, torch.stack([m.var(1) for m in maps]).mean(0))
    assert layer.momentum == 0.1
    assert network[1].num_batches_tracked == 0


def test_networks_without_batch_normalisation_need_no_batches() -> None:
    def batches() -> Iterator[Tensor]:
        raise AssertionError("a batch was asked for")
        yield

    network = timm.create_model("test_vit", num_classes=0)
    average = WeightAverage(Averaging(name="ema"), network)
    average.after_step(network, 0)
    average.recompute(batches(), CPU)


@pytest.mark.parametrize("name", ["ema", "swa"])
@pytest.mark.parametrize("cut", [0, 1, 3])
def test_an_average_goes_on_from_its_file_to_the_same_bits(name: Literal["ema", "swa"], cut: int) -> None:
    torch.manual_seed(0)
    network = convolved()
    start = copy.deepcopy(network.state_dict())
    steps = [
        {key: torch.randn_like(value) for key, value in start.items() if "num" not in key} for _ in "12345"
    ]
    ends = []
    for interrupted in (False, True):
        network.load_state_dict(start)
        average = WeightAverage(Averaging(name=name, decay=0.7), network)
        for step, weights in enumerate(steps):
            if interrupted and step == cut:
                torch.save(average.state_dict(), file := io.BytesIO())
                file.seek(0)
                set_weights(network, 9.0)
                average = WeightAverage(Averaging(name=name, decay=0.7), network)
                average.load_state_dict(torch.load(file, weights_only=True))
                assert average.begun == (cut > 0)
            network.load_state_dict(weights, strict=False)
            average.after_step(network, step)
            average.after_epoch(network, step)
        ends.append(average.module.state_dict())
    for key, value in ends[0].items():
        assert torch.equal(value, ends[1][key]), key
