"""What `bench.scale` measures: caches of tiny crops, and the probes on them in turn."""

from __future__ import annotations

import io
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console

from bench.scale.grown import grow
from bench.scale.growth import exponents, flat_order, growth
from bench.scale.probe import SAMPLERS, draws_memory, in_fresh_process, memory, order_bytes, start_up
from bench.scale.sizes import CROP, Sizes
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import DETECTED, CacheWriter
from faces.labels import CONTEST
from faces.terminal.progress import step_progress, track

DISTINCT = 256
"""Different crops in a cache; more would only take longer to draw."""
Runs = dict[str, list[dict[str, float]]]
"""What was found in each repetition, by the name of the cache."""


def write_cache(folder: Path, rows: int, shards: int, advance: Callable[[int], object]) -> Cache:
    """A cache of 32 x 32 JPEG crops whose index has every column of a real one.

    Args:
        folder: of the new cache.
        rows: crops in it.
        shards: over which the rows are spread.
        advance: called after each shard with its rows.
    """
    random = np.random.default_rng(0)
    crops = []
    for _ in range(DISTINCT):
        buffer = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (CROP, CROP, 3), np.uint8)).save(buffer, "JPEG", quality=80)
        crops.append(buffer.getvalue())
    settings = {"codec": "jpeg", "size": CROP}
    writer = CacheWriter(folder, settings=settings, labels=CONTEST, source={}, shard_count=shards)
    for shard, part in enumerate(np.array_split(np.arange(rows), shards)):
        writer.write(shard, [Sample(fields=_fields(int(row)), data=crops[row % DISTINCT]) for row in part])
        advance(len(part))
    return writer.finish()


def _fields(row: int) -> dict[str, Any]:
    """Index columns as stage 1 writes them."""
    person = row // 7
    source = f"train/images/{person:06d}_female_Asian_{person % 60:02d}/mask{row % 7}.jpg"
    return {
        "key": f"{row:08d}",
        "position": row,
        "image_id": source,
        "source": source,
        "source_bytes": 60_000 + row,
        "source_sha256": f"{row:064x}",
        "person": f"{person:06d}_female_Asian_{person % 60:02d}",
        "mask": row % 3,
        "gender": person % 2,
        "age": float(18 + person % 43),
        "height": CROP,
        "width": CROP,
        "face_box": [float(row), 1.0, 2.0, 3.0],
        "crop_box": [float(row), 1.0, 2.0, 3.0],
        "crop_angle": 0.0,
        "landmarks": [float(row)] * 10,
        "score": 0.99,
        "faces": 1,
        "detector": "mtcnn",
        "status": DETECTED,
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: round(statistics.median(run[key] for run in runs), 4) for key in runs[0]}


def measure(sizes: Sizes) -> dict[str, Any]:
    """What few and many rows take: MB of memory and draws, seconds of start-up, bytes a row of orders."""
    in_shards = sizes.shards * sizes.shard_rows
    plans = {
        "few": (sizes.few, 1),
        "many": (sizes.many, -(-sizes.many // 1000)),
        "shard": (in_shards, 1),
        "shards": (in_shards, sizes.shards),
    }
    with tempfile.TemporaryDirectory() as temporary:
        folders = {name: Path(temporary, name) for name in plans}
        with step_progress("rows", console=Console(highlight=False)) as progress:
            bar = progress.add_task("writing caches", total=sum(rows for rows, _ in plans.values()))
            for name, (rows, shards) in plans.items():
                write_cache(folders[name], rows, shards, lambda done: progress.advance(bar, done))
        memories, starts = _watch_caches(folders, sizes)
    found = {name: {"rows": rows, "shards": shards} for name, (rows, shards) in plans.items()}
    return {
        "memory_mb": {name: found[name] | _medians(runs) for name, runs in memories.items()},
        "start_up_s": {name: found[name] | _medians(runs) for name, runs in starts.items()},
        "order_bytes_a_row": _count_orders(sizes.order_rows),
        "order_flat": in_fresh_process(flat_order, sizes.flat_rows),
        "draws_mb": _medians([in_fresh_process(draws_memory)]),
    }


def _watch_caches(folders: dict[str, Path], sizes: Sizes) -> tuple[Runs, Runs]:
    """Memory and start-up of the caches in turn, so that a busy moment of the machine hits all of them."""
    shape = (sizes.batch_size, sizes.image_size)
    memories: Runs = {"few": [], "many": []}
    starts: Runs = {"shard": [], "shards": [], "many": []}
    turns = sizes.repetitions * (len(memories) + len(starts))
    with step_progress("turns", console=Console(highlight=False)) as progress:
        bar = progress.add_task("memory and start-up", total=turns)
        for _ in range(sizes.repetitions):
            for name, found in memories.items():
                found.append(in_fresh_process(memory, folders[name], folders["few"], *shape, sizes.batches))
                progress.advance(bar)
            for name, found in starts.items():
                found.append(in_fresh_process(start_up, folders[name], folders["few"], *shape))
                progress.advance(bar)
    return memories, starts


def _count_orders(rows: int) -> dict[str, dict[str, float]]:
    found = {}
    for name in track(SAMPLERS, "orders", "orders", console=Console(highlight=False)):
        found[name] = in_fresh_process(order_bytes, name, rows)
    return {name: _medians([run]) for name, run in found.items()}


def measure_growth(sizes: Sizes) -> dict[str, Any]:
    """Seconds and MB of caches of `sizes.grown` rows, and how each grows with them.

    Returns:
        `growth`: a row a cache; `exponents`: by what was measured, as `bench.scale.growth.exponents`.
    """
    shape = (sizes.batch_size, sizes.image_size)
    first = sizes.grown[0]
    runs: dict[int, list[dict[str, float]]] = {rows: [] for rows in sizes.grown}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {rows: Path(temporary, str(rows)) for rows in sizes.grown}
        with step_progress("turns", console=Console(highlight=False)) as progress:
            caches = progress.add_task("writing caches", total=len(folders))
            seed = write_cache(Path(temporary, "seed"), first, sizes.grown_shards, lambda _: None)
            for rows, folder in folders.items():
                grow(seed, folder, rows // first)
                progress.advance(caches)
            turns = progress.add_task("growth", total=sizes.repetitions * len(folders))
            for _ in range(sizes.repetitions):
                for rows, folder in folders.items():
                    taken = in_fresh_process(memory, folder, folders[first], *shape, sizes.batches)
                    seconds = in_fresh_process(growth, folder, folders[first], *shape)
                    runs[rows].append(seconds | {f"{name}_mb": taken[name] for name in ("built", "own")})
                    progress.advance(turns)
    found = {rows: _medians(each) for rows, each in runs.items()}
    names = [name for name in found[first] if min(row[name] for row in found.values()) > 0]
    return {
        "growth": [{"rows": rows} | row for rows, row in found.items()],
        "exponents": {
            name: {
                key: round(value, 2)
                for key, value in exponents([*found], [row[name] for row in found.values()]).items()
            }
            for name in names
        },
    }
