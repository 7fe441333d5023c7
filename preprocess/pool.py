"""Shards over worker processes, one thread each, with progress from within shards."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from typing import Any

import cv2

from faces.writer import CacheWriter
from preprocess.settings import Settings
from preprocess.shard import Row, Tools, make_samples

POLL_SECONDS = 0.2


class _Stopped(Exception):
    """The run ends; this shard is left for the next one."""


@dataclass
class _Worker:
    """What this process works with."""

    tools: Tools
    writer: CacheWriter
    done: Any
    """Photos done by all workers: a shared int64."""
    stop: Any
    """Whether to stop: a shared event."""

    def advance(self, count: int) -> None:
        if self.stop.is_set():
            raise _Stopped
        with self.done.get_lock():
            self.done.value += count


_worker: _Worker | None = None


def run_shards(
    shards: Mapping[int, Sequence[Row]],
    settings: Settings,
    writer: CacheWriter,
    workers: int,
    show: Callable[[int], None],
) -> None:
    """Process shards and write each as soon as it is whole.

    Args:
        shards: photos by shard number.
        settings: of the run.
        writer: of the cache.
        workers: processes; with 1 the work is done in this one.
        show: called a few times a second with the number of photos done.

    Raises:
        OSError: a shard could not be written, or a worker was killed.
    """
    if min(workers, len(shards)) == 1:
        _run_here(shards, settings, writer, show)
        return
    context = multiprocessing.get_context("spawn")
    done, stop = context.Value("q", 0), context.Event()
    starting = (settings, writer, done, stop)
    with ProcessPoolExecutor(min(workers, len(shards)), context, _start, starting) as pool:
        with _uninterrupted():
            pending: set[Future[None]] = {pool.submit(_work, shard, rows) for shard, rows in shards.items()}
        try:
            while pending:
                finished, pending = wait(pending, POLL_SECONDS, FIRST_EXCEPTION)
                show(done.value)
                for future in finished:
                    future.result()
        except BrokenProcessPool as error:
            raise OSError(
                f"{settings.cache}: a worker process was killed, often for lack of memory; the same command "
                "goes on from here, with fewer --workers if need be"
            ) from error
        finally:
            # Reached with work pending only on an error or Ctrl-C; workers notice within a batch.
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)


def _run_here(
    shards: Mapping[int, Sequence[Row]],
    settings: Settings,
    writer: CacheWriter,
    show: Callable[[int], None],
) -> None:
    tools, done = Tools(settings), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        show(done)

    for shard, rows in shards.items():
        writer.write(shard, make_samples(rows, tools, advance))


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back. Processes started here inherit that for good: the parent tells them when to stop."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(settings: Settings, writer: CacheWriter, done: Any, stop: Any) -> None:
    global _worker
    threading.Thread(target=_follow_parent, daemon=True).start()
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch and onnxruntime when they load
    cv2.setNumThreads(1)
    _worker = _Worker(Tools(settings), writer, done, stop)


def _follow_parent() -> None:
    """End with the parent, also when that was killed: two runs must never write one cache."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)


def _work(shard: int, rows: Sequence[Row]) -> None:
    assert _worker is not None
    _worker.writer.write(shard, make_samples(rows, _worker.tools, _worker.advance))
