"""Begin the processes that train one network together."""

from __future__ import annotations

import os
import sys

import torch
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

from faces.cores import usable_cores
from train.engine.processes import Processes, check_gpus


def begin_processes(count: int, batch_size: int, device: str, max_restarts: int = 0) -> None:
    """Run this process's command line in so many processes of this machine, as torchrun does, to their end.

    Args:
        count: of processes.
        batch_size: photos a step of all of them.
        device: `auto`, `cpu` or `cuda`.
        max_restarts: how often all of them are begun again after one has ended too soon.

    Raises:
        ValueError: more than there are GPUs, or the batch does not divide.
        SystemExit: one of them failed, which itself has told why.
        KeyboardInterrupt: they were interrupted.
    """
    Processes(world=count).share(batch_size)
    # A look that takes nothing of a GPU: this process only waits.
    if device != "cpu" and torch.cuda.device_count():
        check_gpus(count)
    # torchrun itself would leave each of them one core, however many there are.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, usable_cores() // count)))
    try:
        options = [f"--nproc-per-node={count}", f"--max-restarts={max_restarts}"]
        main(["--standalone", *options, "-m", "train", *sys.argv[1:]])
    except ChildFailedError:
        sys.exit(2)
    except SignalException as error:
        raise KeyboardInterrupt from error
