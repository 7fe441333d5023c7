"""Photos that validate: class probabilities of each, and the loss of all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from faces.labels import FloatArray
from pipeline.loader import Loader
from train.engine.finite import FiniteOutputs
from train.engine.processes import Processes
from train.network.coding import Coding
from train.network.objective import Objective


@torch.inference_mode()
def predict_heads(
    network: nn.Module,
    loader: Loader,
    codings: Mapping[str, Coding],
    *,
    where: str,
    cure: str,
    processes: Processes = Processes(),
    advance: Callable[[int], object] = lambda _: None,
    hear: Callable[[Mapping[str, Tensor], Tensor], object] = lambda _, __: None,
) -> dict[str, FloatArray]:
    """Class probabilities of each head, in the order of the loader's rows.

    Args:
        network: in evaluation mode, on the loader's device.
        loader: unshuffled and without augmentation, so that each row comes once.
        codings: how the network's heads say their classes.
        where: run and precision, named where outputs are not finite.
        cure: what to do about it.
        processes: those that share the rows.
        advance: called with the number of images after each batch.
        hear: called with each batch's outputs [n, outputs] by name and rows of the cache [n].

    Returns:
        float32 [rows, classes] by task.

    Raises:
        ValueError: outputs are not finite.
    """
    seen: dict[str, list[Tensor]] = {task: [] for task in codings}
    finite, place = FiniteOutputs(len(loader.rows)), 0
    for images, rows in loader.epoch(0):
        outputs = network(images.to(memory_format=torch.channels_last))
        hear(outputs, rows)
        part = slice(place, place + len(images))
        place = part.stop
        for task, coding in codings.items():
            # 0.0 is added because ordinal heads may give -0.0, which no file should hold.
            seen[task].append(coding.probabilities(outputs[task]) + 0.0)
            finite.look(task, outputs[task], seen[task][-1], part)
        advance(len(images))

    def key_of(at: int) -> object:
        rows = loader.batch_rows(0, at // loader.batch_size)
        return loader.cache.columns("key")["key"].iloc[rows[at % loader.batch_size]]

    finite.check(where, cure, key_of, processes)
    return {task: torch.cat(parts).cpu().numpy() for task, parts in seen.items()}


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

    def judge(
        self,
        network: nn.Module,
        loader: Loader,
        codings: Mapping[str, Coding],
        fabric: Fabric,
        where: str,
        cure: str,
        advance: Callable[[int], object],
    ) -> tuple[dict[str, FloatArray], float]:
        """What `predict_heads` gives, in the arithmetic of `fabric` and of all processes' rows together, and
        the loss of these answers.

        Raises:
            ValueError: outputs are not finite.
        """
        answers: list[tuple[Mapping[str, Tensor], Tensor]] = []
        with fabric.autocast():
            parts = predict_heads(
                network,
                loader,
                codings,
                where=where,
                cure=cure,
                processes=self.processes,
                advance=advance,
                hear=lambda outputs, rows: answers.append((outputs, rows)),
            )
        found = {task: self.processes.interleave(part) for task, part in parts.items()}
        return found, self(answers)

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
