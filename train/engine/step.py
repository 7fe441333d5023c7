"""One training step: mix, forward, backward and, where its batches are complete, the optimiser's move."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from train.data.mixing import BoolArray, mix
from train.descent.averaging import WeightAverage
from train.descent.sam import climb, descend, still_statistics
from train.engine.processes import Processes
from train.network.objective import Objective
from train.recipe.recipe import Recipe


@dataclass(kw_only=True)
class EpochPart:
    """How far the epoch in training is."""

    loss: Tensor
    """Scalar float64 on the device: the sum over its photos of their batch's loss."""
    astray: Tensor
    """Scalar int64 on the device: the first batch whose loss was not finite, or -1."""
    rate: float
    """Learning rate of its first batch."""
    next_batch: int = 0
    """Number of the batch to train next."""
    photos: int = 0
    """Photos that this process has trained on."""
    begun: float = field(default_factory=time.perf_counter)
    """When it began by `time.perf_counter`; after an interruption as much later as that took."""

    @classmethod
    def beginning(cls, device: torch.device, rate: float) -> EpochPart:
        """Of an epoch of which nothing is trained."""
        loss = torch.zeros((), dtype=torch.float64, device=device)
        return cls(loss=loss, astray=torch.full((), -1, device=device), rate=rate)

    def add(self, loss: Tensor, photos: int, batch: int) -> None:
        """Count a batch, of this mean loss."""
        self.astray = torch.where((self.astray < 0) & ~loss.isfinite(), batch, self.astray)
        self.loss += loss * photos
        self.next_batch = batch + 1
        self.photos += photos

    def state(self) -> dict[str, float]:
        """What `restored` goes on from."""
        return {
            "loss": float(self.loss),
            "rate": self.rate,
            "next_batch": self.next_batch,
            "photos": self.photos,
            "seconds": time.perf_counter() - self.begun,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Come as far as the epoch of that state; nothing of this one is trained."""
        self.loss += state["loss"]
        self.rate, self.next_batch, self.photos = (state[key] for key in ("rate", "next_batch", "photos"))
        self.begun -= state["seconds"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What a step needs that does not change from step to step."""

    recipe: Recipe
    fabric: Fabric
    processes: Processes
    network: nn.Module
    """The plain network."""
    model: _FabricModule
    """The same as Fabric wraps it, perhaps compiled."""
    optimiser: Optimizer
    """The optimiser as Fabric wraps it."""
    schedule: LambdaLR
    objective: Objective
    targets: Mapping[str, Tensor]
    """float32 [rows of the cache, outcomes] by output, on the device."""
    rare: BoolArray
    """[rows of the cache] which photos are of the rarest band."""
    average: WeightAverage
    seed: int
    batches: int
    """Batches an epoch."""

    def __call__(self, images: Tensor, rows: Tensor, *, epoch: int, batch: int) -> Tensor:
        """Train on a batch; what is random in it is a pure function of (seed, epoch, batch, process).

        Args:
            images: float [n, 3, S, S] on the device.
            rows: [n] int64 rows of the cache, on the CPU.
            epoch: from 0.
            batch: number of the batch in its epoch.

        Returns:
            The batch's mean loss over all processes, a scalar on the device.
        """
        torch.manual_seed(self._seed(epoch, batch))
        # An index on the host would make it wait for the device.
        places = rows.to(images.device, non_blocking=True)
        images, targets = mix(
            images.to(memory_format=torch.channels_last),
            {name: values[places] for name, values in self.targets.items()},
            self.recipe.mixing,
            rare=self.rare[rows.numpy()],
            seed=self.seed,
            epoch=epoch,
            step=batch,
            rank=self.processes.rank,
        )
        if (samples := self.recipe.head.samples) > 1:
            targets = {name: values.repeat(samples, 1) for name, values in targets.items()}
        loss = self._backward(images, targets, epoch, batch)
        if self.ends_step(batch):
            if self.recipe.optimiser.sam:
                self._look_uphill(images, targets, epoch, batch)
            self._descend(epoch)
        return self.processes.mean(loss.detach())

    def ends_step(self, batch: int) -> bool:
        """Whether the optimiser steps after this batch: after each `accumulate`, and the epoch's last."""
        return (batch + 1) % self.recipe.optimiser.accumulate == 0 or batch + 1 == self.batches

    def place(self, epoch: int, batch: int) -> str:
        """In words, which of all steps a batch belongs to, and at which learning rate."""
        step = epoch * self.batches + batch
        factor = self.schedule.lr_lambdas[0](step // self.recipe.optimiser.accumulate)
        return (
            f"epoch {epoch + 1}, batch {batch + 1} of {self.batches} (step {step + 1}) at learning rate "
            f"{self.recipe.optimiser.lr * factor:g}"
        )

    def _seed(self, epoch: int, batch: int) -> int:
        key = [self.seed, epoch, batch, self.processes.rank]
        return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1)

    def _backward(self, images: Tensor, targets: Mapping[str, Tensor], epoch: int, batch: int) -> Tensor:
        """Add the gradient of a batch, divided by the batches of its step; the loss."""
        each = self.recipe.optimiser.accumulate
        together = min(each, self.batches - batch // each * each)
        wait = nullcontext() if self.ends_step(batch) else self.fabric.no_backward_sync(self.model)
        with wait:
            loss: Tensor = self.objective(self.model(images), targets, epoch=epoch, total=self.processes.mean)
            self.fabric.backward(loss / together if together > 1 else loss)
        return loss

    def _look_uphill(self, images: Tensor, targets: Mapping[str, Tensor], epoch: int, batch: int) -> None:
        """Replace the gradient by that at the place uphill, with the same dropout."""
        saved = climb(self.network.parameters(), self.recipe.optimiser.sam)
        self.optimiser.zero_grad(set_to_none=True)
        torch.manual_seed(self._seed(epoch, batch))
        with still_statistics(self.network):
            self._backward(images, targets, epoch, batch)
        descend(saved)

    def _descend(self, epoch: int) -> None:
        if self.recipe.optimiser.clip:
            self.fabric.clip_gradients(
                self.model, self.optimiser, max_norm=self.recipe.optimiser.clip, error_if_nonfinite=False
            )
        self.optimiser.step()
        self.schedule.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.average.after_step(self.network, epoch)
