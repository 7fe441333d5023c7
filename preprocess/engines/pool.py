"""Shards over worker processes, one thread each, with progress from within shards."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import Any

import cv2

from faces.cache.writer import CacheWriter
from preprocess.shard import Report, Row, Tools, make_samples

POLL_SECONDS = 0.2


class _Stopped(Exception):
    """The run ends; this shard is left for the next one."""


@dataclass
class _Worker:
    """What this process works with."""

    tools: Tools
    writer: CacheWriter
    reports: Any
    """Arguments of `Report` on their way to the parent: a shared queue."""
    stop: Any
    """Whether to stop: a shared event."""

    def report(self, count: int, rejects: list[Mapping[str, Any]]) -> None:
        if self.stop.is_set():
            raise _Stopped
        self.reports.put((count, rejects))


_worker: _Worker | None = None


def run_shards(
    shards: Mapping[int, Sequence[Row]], tools: Tools, writer: CacheWriter, workers: int, report: Report
) -> dict[str, float]:
    """Process shards and write each as soon as it is whole.

    Args:
        shards: photos by shard number.
        tools: of the run; each worker gets a copy.
        writer: of the cache.
        workers: processes; with 1 the work is done in this one.
        report: called a few times a second; what it raises ends the run.

    Returns:
        CPU seconds by kind of work, over all workers.

    Raises:
        OSError: a shard could not be written, or a worker was killed.
    """
    if min(workers, len(shards)) == 1:
        with _one_thread():
            for shard, rows in shards.items():
                _do_shard(shard, rows, tools, writer, report)
        return tools.seconds
    context = multiprocessing.get_context("spawn")
    reports, stop = context.SimpleQueue(), context.Event()
    seconds: dict[str, float] = {}
    with ProcessPoolExecutor(
        min(workers, len(shards)), context, _start, (tools, writer, reports, stop)
    ) as pool:
        with _uninterrupted():
            pending: set[Future[dict[str, float]]] = {
                pool.submit(_work, shard, rows) for shard, rows in shards.items()
            }
        try:
            while pending:
                finished, pending = wait(pending, POLL_SECONDS, FIRST_EXCEPTION)
                while not reports.empty():
                    report(*reports.get())
                for future in finished:
                    seconds = _added(seconds, future.result())
        except BrokenProcessPool as error:
            raise OSError(
                f"{writer.folder}: a worker process was killed, often for lack of memory; the same command "
                "goes on from here, with fewer --workers if need be"
            ) from error
        finally:
            # Reached with work pending only on an error or Ctrl-C; workers notice within a batch.
            stop.set()
            _drain(reports, pool)
    return seconds


def _drain(reports: Any, pool: ProcessPoolExecutor) -> None:
    """End the pool. A worker that waits to report into a full queue would never end, and one that is only
    starting still needs the queue, which goes with the caller."""

    def end() -> None:
        with suppress(OSError):  # a second Ctrl-C ends the pool by itself
            pool.shutdown(cancel_futures=True)

    ending = threading.Thread(target=end)
    ending.start()
    while ending.is_alive():
        while not reports.empty():
            reports.get()
        ending.join(POLL_SECONDS)


def _do_shard(shard: int, rows: Sequence[Row], tools: Tools, writer: CacheWriter, report: Report) -> None:
    samples = make_samples(rows, tools, report)
    with tools.timed("write"):
        writer.write(shard, samples)


def _added(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {what: one.get(what, 0) + other.get(what, 0) for what in {**one, **other}}


@contextmanager
def _one_thread() -> Iterator[None]:
    """OpenCV on one thread, as in a worker of its own; the cascade sees to torch's."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back. Processes started here inherit that for good: the parent stops them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(tools: Tools, writer: CacheWriter, reports: Any, stop: Any) -> None:
    global _worker
    threading.Thread(target=_follow_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch and onnxruntime when they load
    cv2.setNumThreads(1)
    _worker = _Worker(tools, writer, reports, stop)


def _follow_parent() -> None:
    """End with the parent, also when that was killed: two runs must never write one cache."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def _work(shard: int, rows: Sequence[Row]) -> dict[str, float]:
    """Do one shard; the CPU seconds it took."""
    assert _worker is not None
    before = {what: -seconds for what, seconds in _worker.tools.seconds.items()}
    _do_shard(shard, rows, _worker.tools, _worker.writer, _worker.report)
    return _added(_worker.tools.seconds, before)
