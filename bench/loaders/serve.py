"""The process of one rival: `python -m bench.loaders.serve MODULE FD`, which gets its work over a pipe."""

from __future__ import annotations

import importlib
import sys
import time
from importlib.metadata import version
from multiprocessing.connection import Connection

from bench.loaders.cpu import tree_cpu_seconds
from bench.measure import Round


def serve(module: str, line: Connection) -> None:
    """Build the rival, send its packages' versions, then run an epoch for each message.

    The first message is a `Task` and the names of packages. An error while building is sent as text.
    """
    task, packages = line.recv()
    try:
        import cv2
        import torch

        # So that no library takes cores beyond the workers it is given.
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        epoch = importlib.import_module(f"bench.loaders.rivals.{module}").open_rival(task)
        line.send({name: version(name) for name in packages})
    except Exception as error:
        line.send(f"{type(error).__name__}: {error}")
        raise
    while True:
        try:
            line.recv()
        except EOFError:
            return  # the benchmark has ended
        cpu, wall = tree_cpu_seconds(), time.perf_counter()
        images = epoch()
        wall = time.perf_counter() - wall
        line.send(Round(images=images, wall=wall, cpu=tree_cpu_seconds() - cpu))


if __name__ == "__main__":
    serve(sys.argv[1], Connection(int(sys.argv[2])))
