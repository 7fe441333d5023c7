"""Batch norms that were folded into convolutions, given the statistics of the photos they are trained on."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def unfold_norms(network: nn.Module, batches: Iterable[Tensor]) -> int:
    """Give every batch norm of a network the mean and variance of what it sees, without another answer.

    A folded norm computes y = a x + b, with mean 0 and variance 1. In training it would subtract the batch's
    mean and divide by its deviation all the same, and with the first step the network would be another one.
    With the mean m and the variance v of x over all photos and places, weight a sqrt(v + eps) and bias
    b + a m it computes the same in evaluation, and nearly the same in training.

    Args:
        network: is put into evaluation mode; every norm has weight, bias and statistics.
        batches: float [n, 3, S, S], normalised as in evaluation, on the network's device.

    Returns:
        Photos seen.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    sums = {norm: torch.zeros(2, norm.num_features, dtype=torch.float64) for norm in norms}
    counts, photos = dict.fromkeys(norms, 0), 0

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, _BatchNorm)
        values = inputs[0].double()
        sums[norm] += torch.stack([values.sum((0, 2, 3)), values.square().sum((0, 2, 3))]).cpu()
        counts[norm] += values.numel() // values.shape[1]

    hooks = [norm.register_forward_pre_hook(look) for norm in norms]
    network.eval()
    for batch in batches:
        network(batch)
        photos += len(batch)
    for hook in hooks:
        hook.remove()
    for norm in norms:
        mean, square = sums[norm] / counts[norm]
        _set_statistics(norm, mean, (square - mean.square()).clamp(min=0))
    return photos


def _set_statistics(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Another mean and variance [channels], and weight and bias with which the norm answers as before."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double().cpu() / (norm.running_var.double().cpu() + norm.eps).sqrt()
    shift = norm.bias.double().cpu() - norm.running_mean.double().cpu() * scale
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(shift + mean * scale)
