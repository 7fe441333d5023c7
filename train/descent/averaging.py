"""Weight averages: an exponential moving average of steps, or the plain mean of epochs (SWA)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel, get_ema_multi_avg_fn, update_bn

from train.network.model import Network
from train.recipe.network import Averaging


def decay_after(updates: int, decay: float) -> float:
    """Decay of an exponential moving average's next update: min(decay, (1 + updates) / (10 + updates)).

    As in TensorFlow's tf.train.ExponentialMovingAverage. A decay of 0.999 from the start would leave 62 % of
    the weights begun with after 480 steps; so it is 10! (n + 1)! / (n + 10)! after n, below 1e-6 from 20 on.

    Args:
        updates: before this one, the copy that it begins with among them; at least 1.
        decay: in (0, 1), which it reaches after about 9 / (1 - decay) updates.
    """
    return min(decay, (1 + updates) / (10 + updates))


def _with_still(batches: Iterable[Tensor], module: nn.Module) -> Iterator[Tensor]:
    """The batches, before the first of which frozen layers get back the statistics that torch resets."""
    layers = module.still_layers() if isinstance(module, Network) else []
    kept = [(buffer, buffer.clone()) for layer in layers for buffer in layer.buffers()]

    def batches_then() -> Iterator[Tensor]:
        for buffer, value in kept:
            buffer.copy_(value)
        yield from batches

    return batches_then()


class WeightAverage:
    """The mean of a network's weights, in their own precision and on their own device.

    ema (Polyak and Juditsky 1992, with forgetting) begins as the weights after the first step of
    `start_epoch`, and at every step w after that becomes d * mean + (1 - d) * w, with d of `decay_after`.
    swa (Izmailov et al. 2018) is the arithmetic mean of the weights at the ends of the epochs from
    `start_epoch` on. Buffers are those of the network at the last update; `recompute` replaces the statistics
    of batch normalisation.

    Args:
        settings: with name none nothing is averaged or copied, and `begun` stays False.
        network: already on the device it is trained on, and not wrapped.
    """

    def __init__(self, settings: Averaging, network: nn.Module) -> None:
        self._settings = settings
        self._averaged: AveragedModel | None = None
        if settings.name != "none":
            rule = self._forget if settings.name == "ema" else None
            self._averaged = AveragedModel(network, multi_avg_fn=rule)
            self._averaged.requires_grad_(False)

    @property
    def begun(self) -> bool:
        """Whether there is a mean yet; before, the network's own weights count."""
        return self._averaged is not None and bool(self._averaged.n_averaged > 0)

    @property
    def module(self) -> nn.Module:
        """The network with the mean's weights, without gradients; same keys of its state as the network's."""
        assert self._averaged is not None, "nothing is averaged"
        module: nn.Module = self._averaged.module
        return module

    def after_step(self, network: nn.Module, epoch: int) -> None:
        """Update the mean after an optimiser step, if it is of steps; to be called after every one.

        Args:
            network: with the step's weights.
            epoch: the step's, from 0.
        """
        self._update("ema", network, epoch)

    def after_epoch(self, network: nn.Module, epoch: int) -> None:
        """Update the mean after an epoch's training, if it is of epochs; to be called after every one.

        Args:
            network: with the epoch's weights.
            epoch: its number, from 0.
        """
        self._update("swa", network, epoch)

    def _update(self, name: str, network: nn.Module, epoch: int) -> None:
        if self._settings.name == name and epoch >= self._settings.start_epoch:
            assert self._averaged is not None
            self._averaged.update_parameters(network)

    def _forget(self, mean: PARAM_LIST, weights: PARAM_LIST, _: Tensor | int) -> None:
        """The rule of ema, called by torch; its own count of updates lies on the network's device."""
        assert self._averaged is not None
        decay = decay_after(int(self._averaged.n_averaged), self._settings.decay)
        get_ema_multi_avg_fn(decay)(mean, weights, None)  # type: ignore[no-untyped-call]

    def recompute(self, batches: Iterable[Tensor], device: torch.device) -> None:
        """Compute the running statistics of batch normalisation anew for the mean's weights.

        They become the plain means of the batches' means and unbiased variances. Whether the module is in
        training mode does not change, and neither do torch's random numbers, on which dropout draws here.
        Without batch normalisation `batches` is not touched.

        Args:
            batches: at least one, of images as the network takes them, float [n, 3, S, S] with n >= 2.
            device: to which each batch is sent.
        """
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            update_bn(_with_still(batches, self.module), self.module, device)

    def state_dict(self) -> dict[str, Any]:
        """All that the average is, for `load_state_dict`: tensors that share memory with it, and a number."""
        if self._averaged is None:
            return {}
        return {"module": self.module.state_dict(), "updates": int(self._averaged.n_averaged)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the average saved; updates from here give the bits that they would have given there."""
        if self._averaged is not None:
            self.module.load_state_dict(state["module"])
            self._averaged.n_averaged.fill_(state["updates"])
