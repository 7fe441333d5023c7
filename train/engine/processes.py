"""Several processes that train one network together, begun by torchrun; for one alone nothing is done."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from faces.labels import FloatArray


@dataclass(frozen=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes files and speaks for all."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.world > 1:
            dist.barrier()

    def raise_first(self, error: Exception | None) -> None:
        """Raise on every process the error of the first one, if any, so that none waits for one that left."""
        found = [error]
        if self.world > 1:
            dist.broadcast_object_list(found)
        if found[0] is not None:
            raise found[0]

    def mean(self, value: Tensor) -> Tensor:
        """The mean over all processes, on every one; the host does not wait."""
        if self.world == 1:
            return value
        summed = value.detach().clone()
        dist.all_reduce(summed)
        return summed / self.world

    def interleave(self, part: FloatArray) -> FloatArray:
        """[n, k] of all processes' rows, of which this one has rows rank, rank + world, ..."""
        if self.world == 1:
            return part
        parts: list[FloatArray] = [part] * self.world
        dist.all_gather_object(parts, part)
        whole = np.empty((sum(map(len, parts)), *part.shape[1:]), part.dtype)
        for rank, values in enumerate(parts):
            whole[rank :: self.world] = values
        return whole

    def same_buffers(self, network: nn.Module) -> None:
        """Give every process the first one's statistics of batch normalisation."""
        if self.world > 1:
            for buffer in network.buffers():
                dist.broadcast(buffer, 0)

    def leave(self) -> None:
        """Part from the others when all is done. After an error nobody may: they may be waiting in vain."""
        if self.world > 1:
            dist.destroy_process_group()

    def share(self, batch_size: int) -> int:
        """Photos a step of this process.

        Raises:
            ValueError: the batch does not divide.
        """
        if batch_size % self.world:
            raise ValueError(
                f"batch_size={batch_size} does not divide among {self.world} processes; "
                f"use a multiple of {self.world}, or other processes"
            )
        return batch_size // self.world


def join_processes(device: str) -> Processes:
    """This process's place as torchrun sets it, connected with the others (gloo on a CPU, nccl on GPUs).

    Raises:
        ValueError: as `check_gpus`.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return Processes()
    if not dist.is_initialized():
        own = None
        if device == "cuda":
            check_gpus(int(os.environ.get("LOCAL_WORLD_SIZE", world)))
            own = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
            torch.cuda.set_device(own)
        # Of a process whose device it does not know, nccl guesses it, and a wrong guess hangs.
        dist.init_process_group("nccl" if device == "cuda" else "gloo", device_id=own)
    return Processes(rank=dist.get_rank(), world=world)


def check_gpus(processes: int) -> None:
    """Refuse more processes of this machine than it has GPUs.

    Raises:
        ValueError: one would have none, and nccl takes no two on one.
    """
    if processes > (count := torch.cuda.device_count()):
        raise ValueError(
            f"processes={processes}: each takes a GPU of its own, and torch sees {count} here; "
            f"use at most {count}, or device=cpu"
        )
