"""Where a command computes, and with how many threads: the flags that commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where to compute."""

    # A command's settings hold one as `compute: OmitArgPrefixes[Compute] = Compute()`.
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks run; auto takes a GPU that torch can use, and warns of one that it cannot."""
    threads: int = 0
    """Loader threads; 0 is 1 on a CPU, which the network needs more, and beside a GPU up to 8 of the cores
    that the process may use."""

    def __post_init__(self) -> None:
        if self.threads < 0:
            raise ValueError(f"threads={self.threads}: must be 0 (chosen by device) or more")

    def chosen_device(self) -> Literal["cpu", "cuda"]:
        """The device, once auto is settled.

        Raises:
            ValueError: a GPU was demanded and torch cannot use one.
        """
        # torch takes seconds to import, which --help should not wait for.
        from train.engine.precision import choose_device

        return choose_device(self.device)

    def loader_threads(self) -> int:
        """Threads of the loader, once 0 is settled."""
        from train.engine.precision import loader_threads

        return self.threads or loader_threads(self.chosen_device())


@dataclass(frozen=True, kw_only=True)
class PredictCompute(Compute):
    """Where to predict, and how many photos at once."""

    batch_size: int = 0
    """Photos a batch; changes speed and memory, not answers. 0 is 8 on a CPU, whose caches hold what layers
    pass on then, and 64 on a GPU."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_size < 0:
            raise ValueError(f"batch_size={self.batch_size}: must be 0 (chosen by device) or more")

    def photos_a_batch(self) -> int:
        """Photos a batch, once 0 is settled."""
        return self.batch_size or (8 if self.chosen_device() == "cpu" else 64)
