"""Several processes that train one network together, begun by torchrun on one machine or several; for one
alone nothing is done."""

from __future__ import annotations

import os
import platform
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import PrefixStore, Store

from faces.labels import FloatArray

T = TypeVar("T")
_AGREE_EVERY: Final = 0.05
"""Seconds between two looks at what others have said."""
SEEN_WITHIN: Final = 90.0
"""Seconds after which a new file is seen everywhere: NFS may keep what it knew of a folder for 60."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together, on one machine or several."""

    rank: int = 0
    world: int = 1
    local: int = 0
    """Its number among those of its machine."""

    @property
    def first(self) -> bool:
        """Whether this one writes files and speaks for all."""
        return self.rank == 0

    def wait(self) -> None:
        """Until all have come here."""
        if self.world > 1:
            dist.barrier()

    def gather(self, value: T) -> list[T]:
        """What each process has, by rank, on every one."""
        values = [value] * self.world
        if self.world > 1:
            dist.all_gather_object(values, value)
        return values

    def of_first(self, value: T) -> T:
        """What the first process has, on every one."""
        found = [value]
        if self.world > 1:
            dist.broadcast_object_list(found)
        return found[0]

    def raise_first(self, error: Exception | None) -> None:
        """Raise on every process the error of the first one, if any, so that none waits for one that left."""
        if (found := self.of_first(error)) is not None:
            raise found

    def check_same(self, values: Mapping[str, object], cure: str) -> None:
        """Refuse, on every process, to go on where they differ; until all have come here each waits.

        Args:
            values: by name, with the same names everywhere.
            cure: what to do.

        Raises:
            ValueError: naming the first that differs.
        """
        if self.world == 1:
            return
        first, *others = self.gather(dict(values))
        for rank, other in enumerate(others, start=1):
            if wrong := [name for name in first if other.get(name) != first[name]]:
                name = wrong[0]
                raise ValueError(
                    f"{name}={other.get(name)!r} in rank {rank}, {first[name]!r} in rank 0; {cure}"
                )

    def check_shared(self, folder: Path) -> None:
        """Refuse, on every process, a folder that not all of them see, by a file that the first one writes
        there and removes.

        Args:
            folder: made if need be.

        Raises:
            ValueError: naming the first process that did not see the file within `SEEN_WITHIN` seconds.
            OSError: the first process cannot write there.
        """
        if self.world == 1:
            return
        probe = folder / self.of_first(f".seen-by-all-{uuid.uuid4().hex}")
        refusal: Exception | None = None
        if self.first:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                probe.touch()
            except OSError as error:
                refusal = error
        self.raise_first(refusal)
        try:
            seen = self.gather((_appears(probe), platform.node()))
        finally:
            if self.first:
                probe.unlink(missing_ok=True)
        for rank, (there, machine) in enumerate(seen):
            if not there:
                raise ValueError(
                    f"{folder}: rank {rank} on {machine} does not see within {SEEN_WITHIN:.0f} s what rank 0 "
                    f"on {seen[0][1]} writes there; give a RUNS folder that all machines share"
                )

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
        parts = self.gather(part)
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
        dist.init_process_group("nccl" if device == "cuda" else "gloo", device_id=own, **_own_store())
    return Processes(rank=dist.get_rank(), world=world, local=int(os.environ["LOCAL_RANK"]))


def _own_store() -> dict[str, Any]:
    """What of the store that torchrun keeps through all restarts is this start's alone.

    The addresses of processes that have died are still in it, and whoever meets those waits in vain. torchrun
    tells no number of the start that is the same on all machines, so the processes that live agree on a name.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return {}
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(host, port, is_master=False)  # type: ignore[attr-defined]
    prefix = agreed_name(store, rank, world)
    return {"store": PrefixStore(prefix, store), "rank": rank, "world_size": world}


def agreed_name(store: Store, rank: int, world: int) -> str:
    """A name that was never used in a store before, on which all processes that live agree.

    Each leaves a word of its own. The first offers a name for the words that it finds, which may be those of
    the dead, and offers another when one of them is replaced; whoever finds its own word in an offer
    accepts. What all have accepted holds.
    """
    own, offered, name = uuid.uuid4().hex, "", ""
    store.set(f"word/{rank}", own)
    while not (name and store.check([f"{name}/holds"])):
        if rank == 0:
            words = " ".join(store.get(f"word/{each}").decode() for each in range(world))
            if words != offered:
                offered, name = words, uuid.uuid4().hex
                store.set("offer", f"{name} {words}")
            elif store.check([f"{name}/{each}" for each in range(1, world)]):
                store.set(f"{name}/holds", "")
                continue
        else:
            name, *accepted = store.get("offer").decode().split()
            if own in accepted:
                store.set(f"{name}/{rank}", "")
            else:
                name = ""
        time.sleep(_AGREE_EVERY)
    return name


def _appears(path: Path) -> bool:
    """Whether a file is there, or comes to be within `SEEN_WITHIN` seconds."""
    until = time.monotonic() + SEEN_WITHIN
    while not (there := path.exists()) and time.monotonic() < until:
        time.sleep(0.2)
    return there


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
