"""Training one fold: epochs, validation, the best weights, and a state that any kill leaves usable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from faces.cache import Cache
from faces.labels import FloatArray
from pipeline.loader import Loader
from train.data import FoldRows
from train.losses import heads_loss
from train.model import Normalisation, split_heads
from train.predict import predict_heads, score_heads
from train.recipe import Recipe
from train.watch import Watch

_LOSS_EVERY = 10
"""Steps between two readings of the loss: each makes the host wait for the device."""


@dataclass(kw_only=True)
class FoldTraining:
    """The moving parts of one fold's training. Everything that changes is in `state`."""

    recipe: Recipe
    cache: Cache
    rows: FoldRows
    fabric: Fabric
    network: nn.Module
    normalisation: Normalisation
    optimiser: Optimizer
    schedule: LambdaLR
    training: Loader
    validation: Loader
    history: list[dict[str, float]] = field(default_factory=list)
    """One row an epoch: epoch, lr, loss, validation scores, images_per_s, seconds."""

    def __post_init__(self) -> None:
        self.model, self.stepper = self.fabric.setup(self.network, self.optimiser)
        device = self.fabric.device
        self.labels = {
            task: torch.from_numpy(self.cache.labels(task)).to(device) for task in self.recipe.tasks
        }

    @property
    def epoch(self) -> int:
        """The epoch to train next, from 0."""
        return len(self.history)

    @property
    def photos_an_epoch(self) -> int:
        """Photos trained on and validated in one epoch, to within a batch."""
        return len(self.training) * self.recipe.batch_size + len(self.rows.validation)

    @property
    def best(self) -> dict[str, float]:
        """The history's row of the highest validation macro F1, the earliest of equals."""
        return max(self.history, key=lambda row: row["macro_f1"])

    def state(self) -> dict[str, Any]:
        """All that the next epoch depends on, for `restore`."""
        return {
            "model": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "history": self.history,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state; training on gives the bits that it would have given uninterrupted."""
        self.network.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["device_random"])
        self.history = state["history"]

    def run_epoch(self, watch: Watch) -> dict[str, FloatArray]:
        """Train one epoch, validate, and add a row to the history.

        Returns:
            Validation probabilities [rows, classes] by task.

        Raises:
            ValueError: the loss is not finite.
        """
        start = time.perf_counter()
        rate = self.schedule.get_last_lr()[0]
        loss, images = self._train_epoch(watch)
        trained = time.perf_counter()
        if not math.isfinite(loss):
            raise ValueError(
                f"epoch {self.epoch + 1}: the loss is {loss}; lower optimiser.lr={self.recipe.optimiser.lr} "
                f"or use another precision than {self.recipe.precision}"
            )
        predictions = self.validate(watch.advance)
        scores = score_heads(self.cache.index.iloc[self.rows.validation], predictions)
        row = {"epoch": float(self.epoch), "lr": float(rate), "loss": loss, **scores}
        row["images_per_s"] = images / (trained - start)
        row["seconds"] = time.perf_counter() - start
        self.history.append(row)
        return predictions

    def _train_epoch(self, watch: Watch) -> tuple[float, int]:
        self.model.train()
        total = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        images_done = 0
        for step, (images, rows) in enumerate(self.training.epoch(self.epoch)):
            loss = self._step(images, rows)
            total += loss * len(rows)
            images_done += len(rows)
            watch.advance(len(rows), float(total) / images_done if step % _LOSS_EVERY == 0 else math.nan)
        return float(total) / images_done, images_done

    def _step(self, images: Tensor, rows: Tensor) -> Tensor:
        logits = self.model(images.to(memory_format=torch.channels_last))
        labels = {task: values[rows] for task, values in self.labels.items()}
        loss = heads_loss(split_heads(logits, self.recipe.tasks), labels)
        self.fabric.backward(loss)
        self.stepper.step()
        self.schedule.step()
        self.stepper.zero_grad(set_to_none=True)
        return loss.detach()

    def validate(self, advance: Callable[[int], object]) -> dict[str, FloatArray]:
        """Probabilities [rows, classes] by task of the fold's validation rows, each exactly once."""
        self.model.eval()
        return predict_heads(self.model, self.validation, self.recipe.tasks, advance=advance)
