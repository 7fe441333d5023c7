"""The loss of the photos that validate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from train.engine.processes import Processes
from train.network.objective import Objective


@dataclass(frozen=True, kw_only=True)
class ValidationLoss:
    """The recipe's objective over the photos that validate, as over one batch of them all.

    Its loss is then no mean of batches, and follows neither from their size nor from the number of processes;
    the term F1 alone, as in training, is each process's own, and their mean is taken.
    """

    objective: Objective
    targets: Mapping[str, Tensor]
    """float32 [rows of the cache, outcomes] by output, on the device: what labels teach."""
    epoch: int
    """From 0, whose objective judges all epochs: the last one's, so that one of classes that are weighed late
    is the same for all and epochs can be compared."""
    processes: Processes

    @torch.no_grad()
    def __call__(self, answers: Sequence[tuple[Mapping[str, Tensor], Tensor]]) -> float:
        """A scalar, the same for all processes, all of which must call this.

        Args:
            answers: a batch of this process's photos each: outputs of the network in evaluation mode
                [n, outputs] by name, and their rows of the cache [n].
        """
        outputs = {name: torch.cat([each[name].float() for each, _ in answers]) for name in self.targets}
        device = next(iter(outputs.values())).device
        rows = torch.cat([rows for _, rows in answers]).to(device)
        targets = {name: values[rows] for name, values in self.targets.items()}
        loss = self.objective(outputs, targets, epoch=self.epoch, total=self.processes.mean)
        return float(self.processes.mean(loss))
