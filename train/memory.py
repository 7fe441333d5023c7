"""What to do when memory does not suffice: the batch size that fits, found by trying."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from faces.labels import LabelSet
from train.engine.precision import make_fabric
from train.engine.processes import Processes
from train.network.model import Network, build_model
from train.recipe.recipe import Recipe


@contextmanager
def explain_exhaustion(recipe: Recipe, labels: LabelSet, device: str, processes: Processes) -> Iterator[None]:
    """Turn an error of exhausted memory into one that says the batch size that fits.

    Args:
        recipe: what is trained.
        labels: that its tasks are of.
        device: `cpu` or `cuda`.
        processes: those that share a batch.

    Raises:
        ValueError: memory ran out.
    """
    try:
        yield
    except RuntimeError as error:
        if not exhausted(error):
            raise
        reason = str(error).splitlines()[0][:160]
    else:
        return
    # Outside the handler: the error's trace holds on to the tensors that filled the memory.
    fits = _largest_batch(recipe, labels, device, processes)
    size = recipe.batch_size
    cure = (
        f"a batch_size of {fits} fits; accumulate = {-(-size // fits)} makes a step see {size} again"
        if fits
        else "not even 2 fit: use a smaller image_size or backbone"
    )
    raise ValueError(f"batch_size={size}: out of memory on {device} ({reason}); {cure}")


def exhausted(error: RuntimeError) -> bool:
    """Whether an error of torch means that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _largest_batch(recipe: Recipe, labels: LabelSet, device: str, processes: Processes) -> int:
    """The largest of batch_size / 2, / 4, ... that passes forward and backward; 0 if none down to 2 does."""
    network = build_model(recipe, labels, initialise=False).train()
    size = processes.share(recipe.batch_size) // 2
    while size >= 2:
        gc.collect()
        if device == "cuda":
            torch.cuda.empty_cache()
        if _passes(recipe, device, network, size):
            return size * processes.world
        size //= 2
    return 0


def _passes(recipe: Recipe, device: str, network: Network, size: int) -> bool:
    side = recipe.image_size
    try:
        fabric = make_fabric(recipe.precision, device)
        model = fabric.setup(network)
        outputs = model(torch.zeros(size, 3, side, side, device=fabric.device))
        fabric.backward(torch.stack([output.float().square().mean() for output in outputs.values()]).sum())
    except RuntimeError as error:
        if not exhausted(error):
            raise
        return False
    finally:
        network.zero_grad(set_to_none=True)
    return True
