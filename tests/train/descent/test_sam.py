"""Sharpness-aware minimisation against its closed form on quadratics, and what it must leave alone."""

import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from train.descent.sam import climb, descend, still_statistics

numbers = st.floats(-100, 100, width=32).filter(lambda number: number == 0 or abs(number) > 1e-12)
"""Zero, or so large that no square rounds to 0 in float32."""


def with_gradient(values: list[float], gradient: list[float]) -> nn.Parameter:
    parameter = nn.Parameter(torch.tensor(values))
    parameter.grad = torch.tensor(gradient)
    return parameter


def gradients_uphill(weights: list[nn.Parameter], curvatures: list[float], rho: float) -> list[Tensor]:
    """The gradients that a step of SAM would use of the loss sum(curvature * w^2 / 2)."""

    def loss() -> Tensor:
        return sum(  # type: ignore[return-value]
            (c * w.square().sum() / 2 for w, c in zip(weights, curvatures, strict=True)), torch.zeros(())
        )

    loss().backward()
    saved = climb(weights, rho)
    for weight in weights:
        weight.grad = None
    loss().backward()
    descend(saved)
    return [weight.grad for weight in weights if weight.grad is not None]


def test_the_gradient_of_a_parabola_is_taken_rho_further_out() -> None:
    for value in (3.0, -3.0):
        (gradient,) = gradients_uphill([nn.Parameter(torch.tensor([value]))], [2.0], 0.5)
        assert gradient.item() == pytest.approx(2 * (value + (0.5 if value > 0 else -0.5)))


def test_the_distance_is_that_of_all_parameters_together() -> None:
    # Gradients (3, 4) of norm 5: with rho 1/2 the weights (3, 2) become (3.3, 2.4).
    weights = [nn.Parameter(torch.tensor([3.0])), nn.Parameter(torch.tensor([2.0]))]
    first, second = gradients_uphill(weights, [1.0, 2.0], 0.5)
    assert [first.item(), second.item()] == pytest.approx([3.3, 2 * 2.4])
    assert [weight.item() for weight in weights] == [3, 2]


@given(
    values=st.lists(numbers, min_size=3, max_size=3),
    gradient=st.lists(numbers, min_size=3, max_size=3),
    rho=st.floats(0, 10),
)
def test_weights_move_rho_along_the_gradient_and_come_back_bit_for_bit(
    values: list[float], gradient: list[float], rho: float
) -> None:
    parameters = [
        with_gradient(values[:1], gradient[:1]),
        with_gradient(values[1:], gradient[1:]),
        nn.Parameter(torch.tensor([7.0])),  # without a gradient
    ]
    before = [parameter.detach().clone() for parameter in parameters]
    saved = climb(parameters, rho)
    moved = torch.cat([now.detach() - then for now, then in zip(parameters, before, strict=True)]).double()
    direction = torch.tensor([*gradient, 0.0], dtype=torch.float64)
    if norm := direction.norm().item():
        torch.testing.assert_close(moved, rho * direction / norm, rtol=1e-4, atol=1e-4)
    else:
        assert not moved.any()
    assert parameters[2].item() == 7
    descend(saved)
    for now, then in zip(parameters, before, strict=True):
        assert torch.equal(now.detach().view(torch.int32), then.view(torch.int32))


def test_no_gradient_and_no_distance_are_no_move() -> None:
    still = with_gradient([1.0, -0.0], [0.0, 0.0])
    climb([still], 0.1)
    assert still.tolist() == [1.0, 0.0]
    climb([steep := with_gradient([1.0], [5.0])], 0.0)
    assert steep.item() == 1
    assert climb([nn.Parameter(torch.ones(2))], 0.1) == []


@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet"])
def test_a_second_pass_leaves_running_statistics_as_they_were(backbone: str) -> None:
    network = timm.create_model(backbone, num_classes=0).train()
    images = torch.randn(4, 3, 32, 32)
    plain = network(images)
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    assert any(name.endswith("num_batches_tracked") for name in before)
    with still_statistics(network):
        again = network(images)
        network(torch.full_like(images, torch.inf))
    torch.testing.assert_close(again, plain)
    for name, buffer in network.named_buffers():
        assert torch.equal(buffer, before[name]), name
    network(images)
    changed = {name for name, buffer in network.named_buffers() if not torch.equal(buffer, before[name])}
    assert changed == before.keys()


def test_statistics_are_kept_again_after_an_error_and_in_evaluation_are_used() -> None:
    layer = nn.BatchNorm2d(3)
    layer(torch.randn(4, 3, 2, 2) + 5)
    untracked = nn.BatchNorm2d(3, track_running_stats=False)
    images = torch.randn(4, 3, 2, 2)
    expected = layer.eval()(images)
    with pytest.raises(RuntimeError), still_statistics(nn.Sequential(layer, untracked)):
        torch.testing.assert_close(layer(images), expected)
        raise RuntimeError
    assert layer.track_running_stats
    assert not untracked.track_running_stats
