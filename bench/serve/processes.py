"""The service, and the predictor that it is compared with, each in a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from bench.measure import Round
from bench.serve.load import is_up
from faces.cores import usable_cores
from faces.photos.gate import decode_photo
from infer.export.program.predictor import Predictor
from serve.batches import BATCH

START_S = 120
"""Seconds that a service may take to begin."""


@contextmanager
def running(model: Path) -> Iterator[int]:
    """A service of a model, as `make serve` runs it, and its port.

    Raises:
        ValueError: it does not begin, or does not end as it should when it is told to.
    """
    port = _free_port()
    command = [sys.executable, "-m", "serve", f"--model={model}", f"--port={port}"]
    service = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + START_S
        while not is_up(port):
            if service.poll() is not None or time.monotonic() > until:
                raise ValueError(f"{model}: its service does not begin; try `make serve MODEL=...`")
            time.sleep(0.2)
        yield port
        service.send_signal(signal.SIGTERM)
        if code := service.wait(START_S):
            raise ValueError(f"{model}: its service ended with code {code}; nothing it answered counts")
    finally:
        service.kill()
        service.wait()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class PredictorProcess:
    """What predict.py does, in a process of its own: photos one by one, and batches through the networks.

    Args:
        model: model.onnx.
        photos: files' bytes, which are answered in turn.
        count: photos of a round.
    """

    def __init__(self, model: Path, photos: list[bytes], count: int) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._pool.submit(_load, model, photos, count).result()

    def run(self) -> Round:
        """Answer all once."""
        return self._pool.submit(_round).result()

    def stop(self) -> None:
        """End the process."""
        self._pool.shutdown()


_mine: list[tuple[Predictor, list[bytes]]] = []
"""What this process answers, once `_load` has read it."""


def _load(model: Path, photos: list[bytes], count: int) -> None:
    _mine.append((Predictor(model, usable_cores()), [photos[k % len(photos)] for k in range(count)]))


def _round() -> Round:
    [(predictor, photos)] = _mine
    cpu, wall = time.process_time(), time.perf_counter()
    for first in range(0, len(photos), BATCH):
        opened = (np.asarray(decode_photo(photo)[0]) for photo in photos[first : first + BATCH])
        predictor([crop for photo in opened for crop, _ in predictor.cut_out(photo)])
    return Round(images=len(photos), wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)
