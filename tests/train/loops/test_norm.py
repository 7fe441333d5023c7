"""Normalisation and activation in one: the layers' own answers and gradients, nearer to exact arithmetic."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from train.loops.norm import FusedNormAct, bend

ACTIVATIONS = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky": nn.LeakyReLU,
    "none": nn.Identity,
    "hardswish": nn.Hardswish,
}


def layer(channels: int, act: type[nn.Module]) -> BatchNormAct2d:
    made = BatchNormAct2d(channels, eps=1e-3, act_layer=act).train()
    with torch.no_grad():
        made.weight.copy_(torch.linspace(-1, 2, channels))
        made.bias.copy_(torch.linspace(-2, 2, channels))
    return made


def passed(norm: nn.Module, x: Tensor, above: Tensor) -> list[Tensor]:
    """Output, all gradients and statistics, in float64."""
    x = x.clone(memory_format=torch.preserve_format).requires_grad_()
    y = norm(x)
    y.backward(above.to(y.dtype))
    assert x.grad is not None
    gradients = [parameter.grad for parameter in norm.parameters() if parameter.grad is not None]
    return [each.detach().double() for each in (y, x.grad, *gradients, *norm.buffers())]


@pytest.mark.parametrize("act", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())
@pytest.mark.parametrize(
    "shape", [(2, 3, 5, 7), (4, 24, 31, 17), (3, 300, 2, 2), (16, 16, 32, 32), (2, 8, 1, 1)]
)
def test_answers_gradients_and_statistics_are_those_of_the_layers(
    shape: tuple[int, ...], act: type[nn.Module]
) -> None:
    torch.manual_seed(1)
    plain = layer(shape[1], act)
    fused, exact = copy.deepcopy(plain), copy.deepcopy(plain).double()
    fused.__class__ = FusedNormAct
    x = (3 * torch.randn(shape) + 2).to(memory_format=torch.channels_last)
    above = torch.randn(shape).to(memory_format=torch.channels_last)
    seen = [passed(plain, x, above), passed(fused, x, above), passed(exact, x.double(), above.double())]
    for torchs, ours, true in zip(*seen, strict=True):
        assert ours.shape == true.shape
        # Beside the bends the two may round to either side, where the gradient is another.
        assert (ours - true).norm() <= 2 * (torchs - true).norm() + 3e-6 * (1 + true.norm())


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    norm = layer(4, nn.Identity)
    norm.__class__ = FusedNormAct
    x = torch.randn(8, 4, 16, 16, dtype=torch.float64)
    shifted = (x + 1000).float().to(memory_format=torch.channels_last)
    y = norm(shifted)
    weights = norm.weight.double(), norm.bias.double()
    true = nn.functional.batch_norm(shifted.double(), None, None, *weights, True, 0.1, 1e-3)
    # One step of float32 at 1000 is 6e-5 of a standard deviation.
    assert (y - true).abs().max() < 5e-4
    assert torch.allclose(norm.running_var.double(), 0.9 + 0.1 * shifted.double().var((0, 2, 3)), rtol=1e-6)


def test_threads_change_no_bit() -> None:
    norm = layer(32, nn.ReLU6)
    norm.__class__ = FusedNormAct
    x = torch.randn(8, 32, 24, 24).to(memory_format=torch.channels_last)
    above = torch.randn(8, 32, 24, 24).to(memory_format=torch.channels_last)
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(passed(copy.deepcopy(norm), x, above))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_nan_goes_through() -> None:
    norm = layer(2, nn.ReLU6)
    norm.__class__ = FusedNormAct
    x = torch.zeros(2, 2, 3, 3).to(memory_format=torch.channels_last)
    x[0, 1, 0, 0] = torch.nan
    y = norm(x)
    assert y[:, 1].isnan().all() and not y[:, 0].isnan().any()


def test_statistics_stay_where_they_are_not_tracked() -> None:
    norm = layer(3, nn.ReLU)
    norm.__class__ = FusedNormAct
    norm.track_running_stats = False
    norm(torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last))
    assert norm.num_batches_tracked == 0 and norm.running_mean.eq(0).all() and norm.running_var.eq(1).all()


def test_which_activations_are_bent_straight_lines() -> None:
    assert bend(nn.LeakyReLU(0.25)) == (0.25, torch.inf)
    assert bend(nn.ReLU6()) == (0, 6)
    assert bend(nn.SiLU()) is None
