"""Seconds of what is done with a whole cache, in a fresh process, and how they grow with its rows."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from rich import get_console

from bench.scale.probe import loader_of, resident
from faces.cache.opening import compare_shards
from faces.cache.reader import Cache
from faces.folds import divide_photos
from faces.intervals import estimate, person_counts
from pipeline.order import epoch_order
from pipeline.samplers import Shuffled

TASK = "class18"
WRONG = 10
"""One answer in so many is made wrong, for a score to be computed."""
PLACES = 1 << 20
"""Places whose rows are looked up to time an order."""


def growth(folder: Path, warm: Path, batch_size: int, image_size: int) -> dict[str, float]:
    """Seconds of what is done with a whole cache; the files are in the page cache.

    Args:
        folder: of the cache measured.
        warm: of a small cache that a batch is taken from and that is scored first: imports and compiling are
            not counted.
        batch_size: images a batch.
        image_size: side of the images, pixels.

    Returns:
        `open`: `Cache.open` that reads no shard; `hash_one` and `hash_all`: reading and hashing all shards
        on one core, and on all; `sampled`: `Cache.open` with those of a day; `labels`: those of
        a task; `index`: all columns; `folds`: dividing all people into five; `order`: making a shuffled epoch
        and looking up a batch of it; `evaluate`: macro F1 of answers with its interval over people; `loader`;
        `first_batch`. `index_mb`: memory of all columns; `gigabytes`: of the shards.
    """
    torch.set_num_threads(1)
    with _silent():
        return _growth(folder, warm, batch_size, image_size)


def _growth(folder: Path, warm: Path, batch_size: int, image_size: int) -> dict[str, float]:
    small = Cache.open(warm, verify="full")
    next(loader_of(small, batch_size, image_size).epoch(0))
    _evaluate(small)
    cache, seconds = _timed({"open": lambda: Cache.open(folder, verify="sizes")})
    shards = cache.description["shards"]
    reading = {
        "hash_one": lambda: _on_one_core(lambda: compare_shards(folder, shards, "full")),
        "hash_all": lambda: compare_shards(folder, shards, "full"),
        "sampled": lambda: Cache.open(folder, verify="sampled"),
        "labels": lambda: cache.labels(TASK),
    }
    working = {
        "folds": lambda: _divide(cache),
        "order": lambda: _first_rows(len(cache), batch_size),
        "evaluate": lambda: _evaluate(cache),
        "loader": lambda: loader_of(cache, batch_size, image_size),
    }
    seconds |= _timed(reading)[1]
    before = resident()["anonymous"]
    seconds |= _timed({"index": lambda: cache.index})[1]
    index_mb = resident()["anonymous"] - before
    loader, more = _timed(working)
    _, last = _timed({"first_batch": lambda: next(loader.epoch(0))})
    gigabytes = sum(shard["bytes"] for shard in shards) / 1e9
    return seconds | more | last | {"index_mb": index_mb, "gigabytes": gigabytes}


def _timed(steps: Mapping[str, Callable[[], Any]]) -> tuple[Any, dict[str, float]]:
    """What the last step gave, and the seconds of each."""
    found, seconds = None, {}
    for name, step in steps.items():
        start = time.perf_counter()
        found = step()
        seconds[name] = time.perf_counter() - start
    return found, seconds


@contextmanager
def _silent() -> Iterator[None]:
    """Without the lines that say how much of a cache was read."""
    console = get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def _on_one_core(work: Callable[[], object]) -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        work()
    finally:
        os.sched_setaffinity(0, cores)


def _first_rows(rows: int, count: int) -> object:
    return epoch_order(Shuffled(rows), epoch=1, seed=0).samples_of(np.arange(count))


def _divide(cache: Cache) -> None:
    columns = cache.columns("key", "person", "source_sha256")
    divide_photos(
        "person",
        keys=columns["key"],
        persons=columns["person"],
        photos=cache.photos(),
        labels=cache.label_set,
        folds=5,
        seed=0,
        files=columns["source_sha256"],
    )


def _evaluate(cache: Cache) -> None:
    truth = cache.labels(TASK)
    classes = len(cache.label_set.task(TASK).classes)
    guess = np.where(np.arange(len(truth)) % WRONG, truth, (truth + 1) % classes)
    person, people = pd.factorize(cache.columns("person")["person"])
    estimate([person_counts(person, truth, guess, len(people), classes)])


def flat_order(rows: int) -> dict[str, float]:
    """What a shuffled epoch takes whose rows are computed from their places.

    Args:
        rows: more than `pipeline.samplers.LISTED`.

    Returns:
        `rows`; `peak_mb`: the most memory while a rank of 8 makes the order and looks up batches of 1,024 at
        its beginning, middle and end, MB; `ns_a_row`: of one thread looking up `PLACES` in such batches.
    """
    tracemalloc.start()
    order = epoch_order(Shuffled(rows), epoch=1, seed=0, world=8)
    for first in (0, len(order) // 2, len(order) - 1024):
        order.samples_of(np.arange(first, first + 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    start = time.perf_counter()
    for first in range(0, PLACES, 1024):
        order.samples_of(np.arange(first, first + 1024))
    return {
        "rows": rows,
        "peak_mb": round(peak / 1e6, 3),
        "ns_a_row": round((time.perf_counter() - start) / PLACES * 1e9, 1),
    }


def exponents(rows: Sequence[int], figures: Sequence[float]) -> dict[str, float]:
    """How figures grow with rows: the power of rows that they follow.

    Args:
        rows: at least two different numbers, ascending.
        figures: above 0, one for each.

    Returns:
        `all`: slope of the line through the logarithms of both (least squares): 0 is flat, 1 in proportion;
        `last`: the slope between the last two, which differs from it where the line bends.
    """
    x, y = np.log(rows), np.log(figures)
    return {"all": float(np.polyfit(x, y, 1)[0]), "last": float((y[-1] - y[-2]) / (x[-1] - x[-2]))}
