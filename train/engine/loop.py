"""Training one fold: epochs, validation, and a state that may be saved between any two steps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from faces.cache.reader import Cache
from faces.labels import FloatArray
from pipeline.loader import Loader
from train.data.rows import FoldRows
from train.descent.averaging import WeightAverage
from train.descent.schedule import renew_rates
from train.engine.finite import unfinite_state, way_out
from train.engine.processes import Processes
from train.engine.state import StateFile
from train.engine.step import EpochPart, Step
from train.engine.validation import ValidationLoss
from train.engine.watch import Watch
from train.engine.whole import WholeFit
from train.network.coding import Coding
from train.network.model import Network
from train.network.normalisation import Normalisation
from train.recipe.ending import VALIDATION_LOSS, best_row, is_finished, kept_row
from train.recipe.recipe import Recipe

_LOSS_EVERY = 10
"""Steps between two readings of the loss: each makes the host wait for the device."""
_STATISTICS_BATCHES = 30
"""Training batches on which averaged weights get their statistics of batch normalisation."""


@dataclass(kw_only=True)
class FoldTraining:
    """The moving parts of one fold's training. Everything that changes is in `state`."""

    folder: Path
    """Of the run, for messages."""
    recipe: Recipe
    cache: Cache
    rows: FoldRows
    fabric: Fabric
    processes: Processes
    network: Network
    normalisation: Normalisation
    codings: dict[str, Coding]
    optimiser: Optimizer
    schedule: LambdaLR
    average: WeightAverage
    step: Step
    training: Loader
    validation: Loader | None
    """None where nobody validates."""
    validation_loss: ValidationLoss
    score: Callable[[Mapping[str, FloatArray]], dict[str, float]]
    """Scores of the validation rows' probabilities [rows, classes] by task; `macro_f1` is among them."""
    whole: WholeFit | None = None
    """What fits the heads to all photos at once, in the place of steps; one epoch is all."""
    least: int
    """Photos below which a batch is left out: 2 where one, left by damaged crops, could not be trained on."""
    history: list[dict[str, float]]
    """One row an epoch: epoch, lr, loss, validation loss and scores, images_per_s, seconds."""

    def __post_init__(self) -> None:
        self.part = self._new_part()

    def _new_part(self) -> EpochPart:
        return EpochPart.beginning(self.fabric.device, float(self.schedule.get_last_lr()[0]))

    @property
    def epoch(self) -> int:
        """The epoch to train next, from 0."""
        return len(self.history)

    @property
    def photos_an_epoch(self) -> int:
        """Photos trained on and validated in one epoch by this process, to within a batch."""
        if self.whole:
            return self.whole.photos
        validated = len(self.rows.validation) // self.processes.world
        return len(self.training) * self.training.batch_size + validated

    @property
    def photos_done(self) -> int:
        """Photos trained on and validated so far, to within a batch an epoch."""
        return self.photos_an_epoch * self.epoch + self.part.photos

    @property
    def best(self) -> dict[str, float]:
        """The history's row of the best epoch so far."""
        return best_row(self.recipe, self.history)

    @property
    def kept(self) -> dict[str, float]:
        """The history's row of the epoch whose weights are kept so far."""
        return kept_row(self.recipe, self.history)

    @property
    def finished(self) -> bool:
        """Whether no epoch is left to train."""
        return is_finished(self.recipe, self.history)

    @property
    def kept_network(self) -> nn.Module:
        """The network that is validated and kept: the averaged one as soon as averaging has begun."""
        return self.average.module if self.average.begun else self.network

    def state(self) -> dict[str, Any]:
        """All that the next batch depends on, for `restore`.

        Neither a loader nor a random generator is in it: every number that orders, augments, mixes and drops
        out is a pure function of seed, epoch and place. Crops that do not decode are kept so that they are
        still counted and noted.

        Raises:
            ValueError: a value of it is not finite, so that nothing could go on from it.
        """
        state = self._state()
        if wrong := unfinite_state(state):
            raise ValueError(
                f"{self.folder}: epoch {self.epoch + 1}, after {self.part.next_batch} of its "
                f"{len(self.training)} batches: values of {wrong} are NaN or infinite, and are not saved; "
                f"{way_out(self.folder, self.recipe)}"
            )
        return state

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "average": self.average.state_dict(),
            "history": self.history,
            "skipped": {int(row): reason for row, reason in self.training.skipped.items()},
            "part": self.part.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a saved state; training on gives the bits that it would have given uninterrupted."""
        self.network.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.fabric.strategy.precision.load_state_dict(state["scaler"])
        self.average.load_state_dict(state["average"])
        self.history[:] = state["history"]
        self.training.skipped = state["skipped"]
        self.part = self._new_part()
        self.part.restore(state["part"])

    def run_epoch(self, watch: Watch, file: StateFile) -> dict[str, FloatArray]:
        """Train the rest of an epoch, validate, and add a row to the history.

        Args:
            watch: advanced by every batch.
            file: where the state is saved whenever it is due in mid-epoch.

        Returns:
            Validation probabilities [rows, classes] by task; empty where nobody validates.

        Raises:
            ValueError: loss, weights or outputs are not finite; nothing of the epoch is kept.
        """
        if not self.part.next_batch:
            self.part = self._new_part()
        if self.whole:
            self._fit_whole(self.whole, watch)
        else:
            self._train_epoch(watch, file)
        self.average.after_epoch(self.network, self.epoch)
        loss = self._mean_loss()
        self.state()  # refuses what is not finite, before an epoch of it is kept
        trained = time.perf_counter()
        row = {"epoch": float(self.epoch), "lr": self.part.rate, "loss": loss}
        predictions: dict[str, FloatArray] = {}
        if self.validation:
            predictions, row[VALIDATION_LOSS] = self.validate(watch.advance)
            row |= self.score(predictions)
        row["images_per_s"] = self.part.photos * self.processes.world / (trained - self.part.begun)
        row["seconds"] = time.perf_counter() - self.part.begun
        self.history.append(row)
        renew_rates(self.schedule)
        self.part = self._new_part()
        return predictions

    def _train_epoch(self, watch: Watch, file: StateFile) -> None:
        self.network.frozen = self.epoch < self.recipe.optimiser.frozen_epochs
        self.step.model.train()
        part = self.part
        for images, rows in self.training.epoch(self.epoch, start_batch=part.next_batch):
            # The loader's own count: batches of nothing but damaged crops are not given.
            batch = self.training.next_batch - 1
            if len(rows) < self.least:
                continue
            loss = self.step(images, rows, epoch=self.epoch, batch=batch)
            part.add(loss, len(rows), batch)
            if self.processes.first and self.step.ends_step(batch) and file.due:
                self._mean_loss()
                file.save(self.state())
            watch.advance(len(rows), self._mean_loss() if part.next_batch % _LOSS_EVERY == 1 else math.nan)

    def _fit_whole(self, whole: WholeFit, watch: Watch) -> None:
        self.network.frozen = True
        self.network.train()
        photos = len(self.rows.training)
        self.part.loss += whole.fit(self.optimiser, watch.advance) * photos
        self.part.photos = photos

    def _mean_loss(self) -> float:
        """The mean of the epoch so far; read before every save, so that training gone astray stops early."""
        loss = float(self.part.loss) / self.part.photos
        if not math.isfinite(loss):
            self._stop_astray(int(self.part.astray))
        return loss

    def _stop_astray(self, batch: int) -> None:
        keys = self.cache.columns("key")["key"].iloc[self.training.batch_rows(self.epoch, batch)]
        raise ValueError(
            f"{self.folder}: {self.step.place(self.epoch, batch)}, on the samples with keys "
            f"{', '.join(keys)}: the loss is not finite; {way_out(self.folder, self.recipe)}"
        )

    def validate(self, advance: Callable[[int], object]) -> tuple[dict[str, FloatArray], float]:
        """Probabilities [rows, classes] by task of the rows that validate, each exactly once; their loss."""
        where = f"{self.folder}: validation of epoch {self.epoch + 1} in {self.recipe.precision}"
        cure = f"the epoch is not kept; {way_out(self.folder, self.recipe)}"
        if self.whole:
            found, outputs = self.whole.predict(self.codings, where, cure, advance)
            return found, self.validation_loss([(outputs, torch.from_numpy(self.rows.validation))])
        assert self.validation is not None
        # A frozen backbone keeps the statistics that it came with.
        if self.average.begun and not self.network.frozen:
            images = (found for found, _ in self.training.epoch(self.epoch) if len(found) >= self.least)
            pairs = zip(range(_STATISTICS_BATCHES), images, strict=False)
            with self.fabric.autocast():
                self.average.recompute((batch for _, batch in pairs), self.fabric.device)
        self.processes.same_buffers(self.kept_network)
        return self.validation_loss.judge(
            self.kept_network.eval(), self.validation, self.codings, self.fabric, where, cure, advance
        )
