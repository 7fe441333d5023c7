"""What `bench.scale` measures, each probe in a fresh process of its own: memory by kind, time by stage."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from faces.cache.description import file_sha256
from faces.cache.reader import Cache
from pipeline.augment import policy_named
from pipeline.balanced import person_balanced, undersampled
from pipeline.draws import draw
from pipeline.graph import Graph
from pipeline.loader import PLACES_DRAWN, Batch, Loader
from pipeline.order import Sampler, epoch_order
from pipeline.samplers import Shuffled, Weighted, class_weights

T = TypeVar("T")
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
POLL_S = 0.002
SAMPLERS = ("shuffle", "weighted", "undersample", "person_balanced")


def in_fresh_process(probe: Callable[..., T], *arguments: Any) -> T:
    """Call a function of this module where nothing has been imported, allocated or read before."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(probe, *arguments).result()


def resident() -> dict[str, float]:
    """This process's resident memory in MB: `anonymous`, its own; `mapped`, pages of files that it maps.

    Mapped pages are the kernel's page cache: it takes them back when others need memory.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    kilobytes = {
        name: int(rest.split()[0]) for name, _, rest in (x.partition(":") for x in lines) if "Rss" in name
    }
    return {"anonymous": kilobytes["RssAnon"] * 1024 / 1e6, "mapped": kilobytes["RssFile"] * 1024 / 1e6}


class _Peak:
    """The most memory seen while a block runs, looked at every `POLL_S` seconds from a thread."""

    def __enter__(self) -> _Peak:
        self.most = resident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            self._look()

    def _look(self) -> None:
        self.most = {kind: max(most, self.most[kind]) for kind, most in resident().items()}

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()


def loader_of(cache: Cache, batch_size: int, image_size: int) -> Loader:
    """A loader that trains on all rows with policy `strong`."""
    return Loader(
        cache,
        np.arange(len(cache)),
        batch_size=batch_size,
        image_size=image_size,
        mean=MEAN,
        std=STD,
        policy="strong",
        shuffle=True,
    )


def _endless(loader: Loader, first: int) -> Iterator[Batch]:
    for epoch in count(first):
        yield from loader.epoch(epoch)


def memory(folder: Path, warm: Path, batch_size: int, image_size: int, batches: int) -> dict[str, float]:
    """Memory of loading a cache, MB, above what the same process took before it opened the cache.

    Args:
        folder: of the cache measured.
        warm: of a small cache that one epoch is taken from first, so that libraries, DALI's threads and
            compiled code are there before the measurement begins.
        batch_size: images a batch.
        image_size: side of the images, pixels.
        batches: taken from the measured cache, of as many epochs as it needs.

    Returns:
        `before`: own memory of the process by then; `opened` and `built`: more of it with the cache open,
        then with the loader made; `own` and `mapped`: the most more while the batches were taken.
    """
    torch.set_num_threads(1)
    for _ in loader_of(Cache.open(warm), batch_size, image_size).epoch(0):
        pass
    before = resident()
    with _Peak() as peak:
        cache = Cache.open(folder)
        opened = resident()
        loader = loader_of(cache, batch_size, image_size)
        built = resident()
        for _ in islice(_endless(loader, 0), batches):
            pass
    return {
        "before": before["anonymous"],
        "opened": opened["anonymous"] - before["anonymous"],
        "built": built["anonymous"] - before["anonymous"],
        "own": peak.most["anonymous"] - before["anonymous"],
        "mapped": peak.most["mapped"] - before["mapped"],
    }


def start_up(folder: Path, warm: Path, batch_size: int, image_size: int) -> dict[str, float]:
    """Seconds until the first batch is there, by stage; the files are in the page cache.

    Args:
        folder: of the cache measured.
        warm: of a small cache that a batch is taken from first: imports and compiling are not counted.
        batch_size: images a batch.
        image_size: side of the images, pixels.

    Returns:
        `hash`: reading and hashing all shards alone; `open`: `Cache.open`, which hashes them too; `loader`;
        `first_batch`; `total` of the last three.
    """
    torch.set_num_threads(1)
    next(loader_of(Cache.open(warm), batch_size, image_size).epoch(0))
    clock = [time.perf_counter()]
    for shard in sorted((folder / "shards").glob("*.tar")):
        file_sha256(shard)
    clock.append(time.perf_counter())
    cache = Cache.open(folder)
    clock.append(time.perf_counter())
    loader = loader_of(cache, batch_size, image_size)
    clock.append(time.perf_counter())
    next(loader.epoch(0))
    clock.append(time.perf_counter())
    stages = dict(zip(("hash", "open", "loader", "first_batch"), np.diff(clock).tolist(), strict=True))
    return stages | {"total": clock[-1] - clock[1]}


def _sampler(name: str, rows: int) -> Sampler:
    """A sampler over 18 classes, the rarest with one row in 100, and people of 7 photos."""
    if name == "shuffle":
        return Shuffled(rows)
    if name == "person_balanced":
        return person_balanced(np.arange(rows) // 7)
    classes = np.arange(rows) % 100 % 18
    return (
        undersampled(classes) if name == "undersample" else Weighted(class_weights(classes, "class_balanced"))
    )


def order_bytes(name: str, rows: int) -> dict[str, float]:
    """Bytes a row of the order of an epoch, and the seconds it takes.

    Args:
        name: one of `SAMPLERS`.
        rows: so many.

    Returns:
        `sampler`: what the sampler keeps; `kept`: the order beside it, while an epoch runs; `peak`: the most
        beside the sampler, while the order is made; `seconds`: of making it.
    """
    tracemalloc.start()
    sampler = _sampler(name, rows)
    keeps, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    start = time.perf_counter()
    order = epoch_order(sampler, epoch=1, seed=0)
    seconds = time.perf_counter() - start
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(order.samples)
    found = {"sampler": keeps, "kept": now - keeps, "peak": peak - keeps}
    return {key: value / rows for key, value in found.items()} | {"seconds": seconds}


def draws_memory() -> dict[str, float]:
    """The random draws of policy `strong` that the loader holds at a time, and the matrices made of them.

    Returns:
        `places`; `kept`: MB; `peak`: the most while they are made, MB.
    """
    policy = policy_named("strong")
    graph = Graph(
        codec="jpeg", source_size=256, image_size=224, mean=MEAN, std=STD, policy=policy, device="cpu"
    )
    tracemalloc.start()
    draws = draw(policy, PLACES_DRAWN, epoch=1, seed=0)
    parameters = graph.parameters(draws.at(np.arange(PLACES_DRAWN)))
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert parameters and len(draws) == PLACES_DRAWN
    return {"places": PLACES_DRAWN, "kept": now / 1e6, "peak": peak / 1e6}
