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
    seen = {module: _Seen(module) for module in network.modules() if isinstance(module, _BatchNorm)}
    hooks = [norm.register_forward_pre_hook(each.look) for norm, each in seen.items()]
    photos = 0
    network.eval()
    for batch in batches:
        network(batch)
        photos += len(batch)
    for hook in hooks:
        hook.remove()
    for norm, each in seen.items():
        _set_statistics(norm, each.mean, each.squares / each.count)
    return photos


class _Seen:
    """Mean and squared deviations, float64 [channels], of the inputs of a norm, batch by batch merged."""

    def __init__(self, norm: _BatchNorm) -> None:
        self.mean, self.squares = torch.zeros(2, norm.num_features, dtype=torch.float64)
        self.count = 0

    def look(self, _: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].float()
        variance, mean = torch.var_mean(values, [0, *range(2, values.ndim)], correction=0)
        count = values.numel() // values.shape[1]
        self._merge(mean.double().cpu(), variance.double().cpu() * count, count)

    def _merge(self, mean: Tensor, squares: Tensor, count: int) -> None:
        """Chan, Golub and LeVeque 1979."""
        total, apart = self.count + count, mean - self.mean
        self.mean = self.mean + apart * (count / total)
        self.squares = self.squares + squares + apart.square() * (self.count * count / total)
        self.count = total


def _set_statistics(norm: _BatchNorm, mean: Tensor, variance: Tensor) -> None:
    """Another mean and variance [channels], and weight and bias with which the norm answers as before."""
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight.double().cpu() / (norm.running_var.double().cpu() + norm.eps).sqrt()
    shift = norm.bias.double().cpu() - norm.running_mean.double().cpu() * scale
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(scale * (variance + norm.eps).sqrt())
    norm.bias.copy_(shift + mean * scale)
