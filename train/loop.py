"""Training one fold: epochs, validation, and a state that may be saved after any batch."""

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
from train.checkpoint import StateFile
from train.data import FoldRows
from train.losses import heads_loss
from train.mixing import mix, rare_photos
from train.model import Normalisation, split_heads
from train.predict import predict_heads, score_heads
from train.recipe import Recipe
from train.watch import Watch

_LOSS_EVERY = 10
"""Steps between two readings of the loss: each makes the host wait for the device."""


@dataclass(kw_only=True)
class EpochPart:
    """How far the epoch in training is."""

    loss: Tensor
    """Scalar float64 on the device: the sum over its photos of their batch's loss."""
    rate: float
    """Learning rate of its first batch."""
    next_batch: int = 0
    """Number of the batch to train next."""
    photos: int = 0
    """Photos trained."""
    begun: float = field(default_factory=time.perf_counter)
    """When it began by `time.perf_counter`; after an interruption as much later as that took."""


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
        self.rare = rare_photos(self.cache, self.rows.training)
        self.part = self._new_part()

    def _new_part(self) -> EpochPart:
        loss = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        return EpochPart(loss=loss, rate=float(self.schedule.get_last_lr()[0]))

    @property
    def epoch(self) -> int:
        """The epoch to train next, from 0."""
        return len(self.history)

    @property
    def photos_an_epoch(self) -> int:
        """Photos trained on and validated in one epoch, to within a batch."""
        return len(self.training) * self.recipe.batch_size + len(self.rows.validation)

    @property
    def photos_done(self) -> int:
        """Photos trained on and validated so far, to within a batch an epoch."""
        return self.photos_an_epoch * self.epoch + self.part.photos

    @property
    def best(self) -> dict[str, float]:
        """The history's row of the highest validation macro F1, the earliest of equals."""
        return max(self.history, key=lambda row: row["macro_f1"])

    def state(self) -> dict[str, Any]:
        """All that the next batch depends on, for `restore`.

        The loader is not in it: every number that orders, augments and mixes is a pure function of seed,
        epoch and place, so the number of the next batch says all. A checkpoint of DALI's would hold the place
        in a reader and the state of random operators; there are neither. Crops that do not decode are kept
        so that they are still counted and noted.
        """
        return {
            "model": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "random": torch.get_rng_state(),
            "device_random": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
            "history": self.history,
            "skipped": {int(row): reason for row, reason in self.training.skipped.items()},
            "part": {
                "loss": float(self.part.loss),
                "rate": self.part.rate,
                "next_batch": self.part.next_batch,
                "photos": self.part.photos,
                "seconds": time.perf_counter() - self.part.begun,
            },
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
        self.training.skipped = state["skipped"]
        part = state["part"]
        self.part = EpochPart(
            loss=torch.tensor(part["loss"], dtype=torch.float64, device=self.fabric.device),
            rate=part["rate"],
            next_batch=part["next_batch"],
            photos=part["photos"],
            begun=time.perf_counter() - part["seconds"],
        )

    def run_epoch(self, watch: Watch, file: StateFile) -> dict[str, FloatArray]:
        """Train the rest of an epoch, validate, and add a row to the history.

        Args:
            watch: told of every batch.
            file: where the state is saved whenever it is due in mid-epoch.

        Returns:
            Validation probabilities [rows, classes] by task.

        Raises:
            ValueError: the loss is not finite.
        """
        if not self.part.next_batch:
            self.part = self._new_part()
        self._train_epoch(watch, file)
        loss = self._mean_loss()
        trained = time.perf_counter()
        predictions = self.validate(watch.advance)
        scores = score_heads(self.cache.index.iloc[self.rows.validation], predictions)
        row = {"epoch": float(self.epoch), "lr": self.part.rate, "loss": loss, **scores}
        row["images_per_s"] = self.part.photos / (trained - self.part.begun)
        row["seconds"] = time.perf_counter() - self.part.begun
        self.history.append(row)
        self.part = self._new_part()
        return predictions

    def _train_epoch(self, watch: Watch, file: StateFile) -> None:
        self.model.train()
        part = self.part
        for images, rows in self.training.epoch(self.epoch, start_batch=part.next_batch):
            part.loss += self.step(images, rows) * len(rows)
            # The loader's own count: batches of nothing but damaged crops are not given.
            part.next_batch = self.training.next_batch
            part.photos += len(rows)
            if file.due:
                self._mean_loss()
                file.save(self.state())
            read = part.next_batch % _LOSS_EVERY == 1
            watch.advance(len(rows), float(part.loss) / part.photos if read else math.nan)

    def _mean_loss(self) -> float:
        """The mean of the epoch so far; checked at every save, so that training gone astray stops early."""
        loss = float(self.part.loss) / self.part.photos
        if not math.isfinite(loss):
            raise ValueError(
                f"epoch {self.epoch + 1}: the loss is {loss}; lower optimiser.lr={self.recipe.optimiser.lr} "
                f"or use another precision than {self.recipe.precision}"
            )
        return loss

    def step(self, images: Tensor, rows: Tensor) -> Tensor:
        """Train on the batch that the training loader gave last; its mean loss, a scalar on the device."""
        # An index on the host would make it wait for the device.
        places = rows.to(self.fabric.device, non_blocking=True)
        images, labels = mix(
            images.to(memory_format=torch.channels_last),
            {task: values[places] for task, values in self.labels.items()},
            self.recipe.mixing,
            rare=self.rare[rows.numpy()],
            seed=self.training.seed,
            epoch=self.epoch,
            step=self.training.next_batch - 1,
            rank=self.training.rank,
        )
        logits = self.model(images)
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
