"""Sharpness-aware minimisation (Foret et al. 2021): the gradient is taken a little uphill of the weights.

One step is: backward; `climb`; drop the gradients; forward and backward again under `still_statistics`, on
the same batch; `descend`; the optimiser's step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import get_total_norm


@torch.no_grad()
def climb(parameters: Iterable[nn.Parameter], rho: float) -> list[tuple[nn.Parameter, Tensor]]:
    """Move every parameter that has a gradient g by rho * g / |g|, where |g| is the norm of all together.

    So the weights move by the distance rho in the direction that raises the loss fastest. With |g| = 0 they
    stay. The host does not wait for the device.

    Args:
        parameters: those without a gradient are left alone.
        rho: L2 distance, in the units of the weights.

    Returns:
        The parameters moved, each with a copy of what it was, for `descend`.
    """
    moved = [(p, p.grad) for p in parameters if p.grad is not None]
    if not moved:
        return []
    saved = [(p, p.detach().clone()) for p, _ in moved]
    gradients = [gradient for _, gradient in moved]
    norm = get_total_norm(gradients)
    # A divisor of 1 where the norm is 0: the gradients are 0 too, and so is the move.
    directions = torch._foreach_div(gradients, torch.where(norm == 0, 1.0, norm))
    torch._foreach_add_([p for p, _ in moved], directions, alpha=rho)
    return saved


@torch.no_grad()
def descend(saved: Sequence[tuple[nn.Parameter, Tensor]]) -> None:
    """Put back, bit for bit, the parameters that `climb` moved."""
    for parameter, before in saved:
        parameter.copy_(before)


@contextmanager
def still_statistics(network: nn.Module) -> Iterator[None]:
    """Batch normalisation uses its batch's statistics as ever, but does not add them to its running ones.

    For a second pass over a batch: its activations have been counted, and those uphill are not the network's.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    tracking = [layer.track_running_stats for layer in layers]
    # A momentum of 0 would still count the batch, and carry a NaN over.
    for layer in layers:
        layer.track_running_stats = False
    try:
        yield
    finally:
        for layer, before in zip(layers, tracking, strict=True):
            layer.track_running_stats = before
