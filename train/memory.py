"""What to do when memory does not suffice: the batch size that fits, found by training with it."""

from __future__ import annotations

import dataclasses
from functools import partial

import torch

from train.assemble import FoldPlan, assemble
from train.data.rows import FoldRows
from train.engine.exhaustion import Exhausted, let_go
from train.engine.loop import FoldTraining
from train.engine.processes import Processes


def reserve(training: FoldTraining) -> None:
    """Load a batch of validation, so that its pipeline has its memory before training takes all there is.

    torch keeps the memory of a GPU that it had once, DALI's pipelines ask the GPU for theirs with their first
    batches: after an epoch there may be none left. A batch that does not fit beside both is found at once.
    """
    if training.validation is not None and training.whole is None:
        next(training.validation.epoch(0), None)


def exhausted(plan: FoldPlan, rows: FoldRows, reason: str) -> ValueError:
    """The error of a training that ran out of memory: with the batch size that fits, which is tried out here.

    Args:
        plan: what was to be trained, its precision resolved; nothing of that training is in memory any more.
        rows: of the fold.
        reason: what was said of the memory that lacked.
    """
    size, optimiser = plan.recipe.batch_size, plan.recipe.optimiser
    device = f"GPU {torch.cuda.current_device()}" if plan.device == "cuda" else plan.device
    if optimiser.name == "lbfgs":
        cure = "use a smaller batch_size, or a smaller backbone"
    elif fits := _largest_batch(plan, rows):
        times = -(-size // fits)
        cure = (
            f"a batch_size of {fits} fits; with optimiser.accumulate = {times * optimiser.accumulate} a step "
            f"sees {fits * times * optimiser.accumulate} photos"
        )
    else:
        cure = "not even 2 fit: end other programs, or use a smaller image_size or backbone"
    return ValueError(f"batch_size={size}: out of memory on {device} ({reason}); {cure}")


def _largest_batch(plan: FoldPlan, rows: FoldRows) -> int:
    """The largest of batch_size / 2, / 4, ... that can be trained; 0 if none down to 2 for a process can.

    It is tried by this process alone, on its own device: the others may be waiting for it, or be gone.
    """
    size = plan.processes.share(plan.recipe.batch_size) // 2
    while size >= 2:
        try:
            let_go(partial(_try_out, plan, rows, size))
            return size * plan.processes.world
        except Exhausted:
            size //= 2
    return 0


def _try_out(plan: FoldPlan, rows: FoldRows, size: int) -> None:
    """Two steps of the last epoch, by when all that thaws or is averaged does; the second is taken beside the
    optimiser's moments, which the first made."""
    recipe = dataclasses.replace(plan.recipe, batch_size=size, compile=False)
    training = assemble(dataclasses.replace(plan, recipe=recipe, processes=Processes()), rows)
    reserve(training)
    # Processes that train together keep a copy of the gradients to exchange.
    _together = [torch.empty_like(p) for p in training.network.parameters() if plan.processes.world > 1]
    epoch, step = recipe.epochs - 1, training.step
    training.network.frozen = epoch < recipe.optimiser.frozen_epochs
    step.model.train()
    images, numbers = next(training.training.epoch(epoch))
    for _ in range(2):
        step(images, numbers, epoch=epoch, batch=step.batches - 1)
