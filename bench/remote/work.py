"""Epochs of a cache here and at an address, in turn, each in a stage that is empty where it shall be cold."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from bench.measure import Rival, Row, measure
from faces.cache.description import read_description
from faces.cache.reader import Cache
from faces.remote.address import EXTRA, Address, RemoteError
from faces.remote.shards import StagedShards
from faces.remote.stage import FOLDER_VARIABLE
from faces.remote.store import Store
from pipeline.loader import Loader

_BUCKET: Final = "bench"
_SERVER: Final = """
import time
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
time.sleep(1e9)
"""


@dataclass(frozen=True)
class Task:
    """What is read."""

    cache: Path
    batch_size: int
    image_size: int
    threads: int

    @property
    def crops(self) -> int:
        """Crops of the cache."""
        return int(read_description(self.cache)["samples"])

    @property
    def bytes(self) -> int:
        """Of its shards."""
        return sum(shard["bytes"] for shard in read_description(self.cache)["shards"])

    def epoch(self, place: Path | str, shuffle: bool) -> int:
        """Open a cache and go through it once; its crops."""
        cache = Cache.open(place)
        loader = Loader(
            cache,
            np.arange(len(cache)),
            batch_size=min(self.batch_size, len(cache)),
            image_size=self.image_size,
            mean=(0.5,) * 3,
            std=(0.25,) * 3,
            policy="strong" if shuffle else "none",
            shuffle=shuffle,
            threads=self.threads,
        )
        return sum(len(rows) for _, rows in loader.epoch(0))


def race(task: Task, given: Address | None, repetitions: int) -> tuple[list[Row], float]:
    """A row for each way of reading, and the MB a second at which shards come, with nothing else done.

    Raises:
        RemoteError: the address cannot be read, or what the server on this machine needs is not installed.
        CacheError: the cache here cannot be read.
    """
    with (
        nullcontext(given) if given else _served(task.cache) as address,
        tempfile.TemporaryDirectory() as folder,
    ):
        stages = iter(Path(folder, str(number)) for number in range(10**6))

        def cold(shuffle: bool) -> int:
            os.environ[FOLDER_VARIABLE] = str(next(stages))
            return task.epoch(str(address), shuffle)

        rows = []
        for words, shuffle in (("in order", False), ("shuffled, augmented", True)):
            rivals = [
                Rival(name=f"local, {words}", work=partial(task.epoch, task.cache, shuffle)),
                Rival(name=f"ours, cold, {words}", work=partial(cold, shuffle)),
            ]
            rows += measure(rivals, repetitions=repetitions, compared_with=rivals[0].name)
        speeds = [_bare(task, address, next(stages)) for _ in range(repetitions)]
        return rows, round(statistics.median(speeds), 1)


def _bare(task: Task, address: Address, stage: Path) -> float:
    """MB a second of all shards, brought and compared."""
    os.environ[FOLDER_VARIABLE] = str(stage)
    shards = read_description(task.cache)["shards"]
    staged, numbers = StagedShards(address, shards), np.arange(len(shards))
    started = time.perf_counter()
    staged.expect(numbers)
    staged.take(numbers)
    return task.bytes / 1e6 / (time.perf_counter() - started)


@contextmanager
def _served(cache: Path) -> Iterator[Address]:
    """The cache in an S3 server of this machine, a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().decode().strip()
        if not port:
            raise RemoteError(
                f'no S3 server on this machine; run `make setup EXTRAS="{EXTRA} others"`, or give --address'
            )
        keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "bench")
        os.environ |= keys | {
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        }
        address = Address("s3", f"{_BUCKET}/cache")
        address.opened()[0].mkdir(_BUCKET)
        for path in sorted(cache.rglob("*")):
            if path.is_file():
                Store(address).put(path, path.relative_to(cache).as_posix())
        yield address
    finally:
        server.kill()
        server.wait()
