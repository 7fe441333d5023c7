"""Shards on a Ray cluster: paths go there, names come back, and pixels never pass through Ray's object store.

A shard is a task of one core; where faces are searched on GPUs, it is a call of an actor that keeps its
networks there. Ray gives tasks of a lost machine to another. A shard that is so made twice has the same
bytes, and counts once, by its part.
"""

from __future__ import annotations

import copy
import importlib
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

import cv2

from faces.cache.writer import CacheWriter
from preprocess.detect.device import FEEDERS
from preprocess.shard import Report, Row, Tools, make_samples

RETRIES: Final = 5
"""Of a shard whose process or machine was lost, before the run gives up."""
OBJECT_STORE_BYTES: Final = 128 * 2**20
"""Of a Ray that is started for a run; what is passed is the faces known before, once a run."""
REACHED_SECONDS: Final = 10.0
"""Within which the machine of an address must answer."""
_MISSING: Final = "ENGINE=ray: the extra ray is not installed; make setup EXTRAS=ray"


@dataclass(frozen=True)
class Made:
    """What comes back of a shard."""

    name: str
    """Of its tar."""
    photos: int
    rejects: list[Mapping[str, Any]]
    seconds: dict[str, float]
    """CPU seconds by kind of work."""


@dataclass
class Maker:
    """What a process of the cluster keeps from shard to shard."""

    tools: Tools
    writer: CacheWriter
    rejects: list[Mapping[str, Any]] = field(default_factory=list)

    def make(self, shard: int, rows: Sequence[Row]) -> Made:
        """Read, search, crop, encode and write the photos of one shard."""
        cv2.setNumThreads(1)
        self.rejects, self.tools.seconds = [], {}
        samples = make_samples(rows, self.tools, lambda _, rejects: self.rejects.extend(rejects))
        with self.tools.timed("write"):
            self.writer.write(shard, samples)
        return Made(
            self.writer.parts.file(shard, ".tar").name, len(rows), self.rejects, dict(self.tools.seconds)
        )


_makers: dict[str, Maker] = {}
"""Of this process: one, by what tells runs apart."""


def make_shard(run: str, shared: list[Any], shard: int, rows: Sequence[Row]) -> Made:
    """A shard as a task; the networks are kept for the next one.

    Args:
        run: what tells this run from others.
        shared: a reference to its `Maker`; in a list, so that it is fetched only where it is needed.
        shard: its number.
        rows: its photos.
    """
    if run not in _makers:
        _makers.clear()
        _makers[run] = ray_itself().get(shared[0])
    return _makers[run].make(shard, rows)


def ray_itself() -> Any:
    """The package.

    Raises:
        ValueError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # its default now only warns
    try:
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise ValueError(_MISSING) from error


@contextmanager
def cluster(address: str, cores: int) -> Iterator[Any]:
    """Ray, connected: to that cluster, or to one of this machine alone that ends with the run.

    Args:
        address: auto, host:port, or "" for one of its own.
        cores: that one of its own may use.

    Raises:
        ValueError: Ray is not installed, or no cluster is at that address.
    """
    ray = ray_itself()
    own: dict[str, Any] = {
        "num_cpus": cores,
        "include_dashboard": False,
        "object_store_memory": OBJECT_STORE_BYTES,
    }
    try:
        if host := address.rpartition(":")[0]:
            # Ray itself would wait for minutes.
            socket.create_connection((host, int(address.rpartition(":")[2])), REACHED_SECONDS).close()
        ray.init(
            **({"address": address} if address else {"address": "local", **own}),
            log_to_driver=False,
            logging_level="error",
        )
    except (OSError, RuntimeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"ray_address={address or 'local'}: {reason}; see `ray status`") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def run_on_ray(
    ray: Any,
    shards: Mapping[int, Sequence[Row]],
    tools: Tools,
    writer: CacheWriter,
    report: Report,
    most: int,
) -> dict[str, float]:
    """Process shards on a cluster; each is written by the process that makes it.

    Args:
        ray: connected.
        shards: photos by shard number.
        tools: of the run.
        writer: of the cache.
        report: called after each shard; what it raises ends the run.
        most: shards at a time, 0 for as many as the cluster has cores or GPUs for.

    Returns:
        CPU seconds by kind of work, over all processes.

    Raises:
        OSError: a shard could not be written, or its process was lost again and again.
    """
    start, room = _starter(ray, tools, _anywhere(writer))
    waiting = iter(shards.items())
    running: dict[Any, int] = {}
    seconds: dict[str, float] = {}
    try:
        while True:
            free = (most or room()) - len(running)
            running |= {start(*each): each[0] for each in itertools.islice(waiting, max(0, free))}
            if not running:
                return seconds
            done, _ = ray.wait([*running], timeout=1.0)
            for reference in done:
                made = _result(ray, reference, writer, running.pop(reference))
                report(made.photos, made.rejects)
                seconds = {
                    what: seconds.get(what, 0) + made.seconds.get(what, 0)
                    for what in {**seconds, **made.seconds}
                }
    finally:
        for reference in running:
            if tools.device != "cuda":  # calls of actors end with them
                ray.cancel(reference)


def _starter(
    ray: Any, tools: Tools, writer: CacheWriter
) -> tuple[Callable[[int, Sequence[Row]], Any], Callable[[], int]]:
    """What starts a shard, and what tells how many there may be at a time."""
    settings = tools.settings
    if settings.yunet:
        settings = replace(settings, yunet=settings.yunet.absolute())
    tools = replace(tools, settings=settings, folder=tools.folder.absolute(), seconds={})
    shared = ray.put(Maker(tools, writer))
    if tools.device == "cuda":
        count = max(1, int(ray.cluster_resources().get("GPU", 0) * FEEDERS))
        kind = ray.remote(Maker).options(num_gpus=1 / FEEDERS, max_restarts=RETRIES, max_task_retries=RETRIES)
        actors = [kind.remote(tools, writer) for _ in range(count)]
        turns = itertools.cycle(actors)
        # One waits with each, so that none is idle.
        return (lambda shard, rows: next(turns).make.remote(shard, rows)), lambda: 2 * count
    task = ray.remote(make_shard).options(num_cpus=1, max_retries=RETRIES)
    run = shared.hex()
    # A machine that joins later gets its share, too, and one shard waits for each core.
    return (
        lambda shard, rows: task.remote(run, [shared], shard, rows),
        lambda: max(1, 2 * int(ray.cluster_resources().get("CPU", 1))),
    )


def _anywhere(writer: CacheWriter) -> CacheWriter:
    """The writer by a path that does not depend on where a process was started."""
    moved = copy.copy(writer)
    moved.folder = writer.folder.absolute()
    moved.parts = replace(writer.parts, folder=moved.folder)
    return moved


def _result(ray: Any, reference: Any, writer: CacheWriter, shard: int) -> Made:
    try:
        made: Made = ray.get(reference)
    except ray.exceptions.RayTaskError as error:  # what the shard's own work raised
        raise error.cause from error
    except ray.exceptions.RayError as error:
        reason = str(error).partition("\n")[0]
        raise OSError(
            f"{writer.folder}: shard {shard:05d} was lost {RETRIES + 1} times, often for lack of memory "
            f"({reason}); the same command goes on from here, with fewer --workers if need be"
        ) from error
    return made
