"""Stage 1: scan, shuffle, detect, crop, write."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from faces.cache import Cache
from faces.labels import MASKS
from faces.progress import photo_progress
from faces.settings import run_command
from faces.writer import DETECTED, FALLBACK, REJECTED, CacheWriter
from preprocess.pool import run_shards
from preprocess.scan import COLUMNS, Listing, scan
from preprocess.settings import Settings
from preprocess.shard import Row
from preprocess.sheet import SHEET, write_sheet


def plan_shards(photos: int, shard_size: int, seed: int) -> list[list[int]]:
    """Which photos make up which shard: all of them shuffled, then spread evenly over the fewest shards.

    Returns:
        Positions by shard. 700 photos with shard_size 512 are 350 and 350, so two workers end together.
    """
    count = -(-photos // shard_size)
    order = np.random.default_rng(seed).permutation(photos)
    return [part.tolist() for part in np.array_split(order, count)]


def preprocess(settings: Settings) -> Cache:
    """Make the cache of a folder of photos, or complete it; a finished one is opened as it is.

    Raises:
        ValueError: the photos or the settings do not fit (see `scan`, `CacheWriter`), or no photo is usable.
        OSError: the cache cannot be written, or a worker was killed.
    """
    console = Console(highlight=False, soft_wrap=True)
    listing = scan(settings.data)
    with _explained(settings.cache):
        plan = plan_shards(len(listing.photos), settings.shard_size, settings.seed)
        writer = CacheWriter(
            settings.cache, settings=settings.of_the_bytes(), source=_source(listing), shard_count=len(plan)
        )
        was_finished, started = writer.finished, time.perf_counter()
        made = _process(settings, listing, writer, plan)
        seconds = time.perf_counter() - started
        cache = writer.finish()
        if not (settings.cache / SHEET).is_file():
            write_sheet(cache)
    if was_finished:
        console.print(f"{settings.cache}: nothing to do, this cache is finished")
    _summarise(cache, console, made, seconds)
    return cache


def _process(settings: Settings, listing: Listing, writer: CacheWriter, plan: list[list[int]]) -> int:
    """Do the shards that are still to be done; how many photos those were."""
    rows: list[Row] = [dict(zip(COLUMNS, row, strict=True)) for row in listing.photos.itertuples(index=False)]
    shards = {shard: [rows[position] for position in plan[shard]] for shard in writer.pending()}
    photos = sum(map(len, shards.values()))
    if not shards:
        return 0
    workers = settings.workers or len(os.sched_getaffinity(0))
    before = len(rows) - photos
    with photo_progress() as progress:
        bar = progress.add_task("faces", total=len(rows), completed=before)
        run_shards(shards, settings, writer, workers, lambda n: progress.update(bar, completed=before + n))
    return photos


def _source(listing: Listing) -> dict[str, object]:
    """What the photos are; without the place, so that a moved folder still continues its cache."""
    return {
        "folder": listing.folder.resolve().name,
        "layout": listing.layout,
        "photos": len(listing.photos),
        "fingerprint": listing.fingerprint,
    }


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Say of a full disk where it is, and that nothing is lost."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise OSError(
            f"{folder}: {error.strerror}; make room, and the same command goes on from here"
        ) from error


def _summarise(cache: Cache, console: Console, made: int, seconds: float) -> None:
    counts = json.loads((cache.folder / "cache.json").read_text())["status"]
    total = sum(counts.values())
    detected, fallback, rejected = (counts.get(name, 0) for name in (DETECTED, FALLBACK, REJECTED))
    rate = f" in {seconds:.0f} s, {made / seconds:.1f} photos/s" if made else ""
    console.print(f"{total} photos{rate}")
    console.print(f"  {detected:6d} {detected / total:6.1%}  with a face{_by_mask(cache)}")
    console.print(f"  {fallback:6d} {fallback / total:6.1%}  without: cropped at the centre")
    console.print(f"  {rejected:6d} {rejected / total:6.1%}  rejected, see {cache.folder / 'rejects.csv'}")
    for reason, count in cache.rejects.reason.str.slice(0, 100).value_counts().head(3).items():
        console.print(f"         {count} x {reason}", markup=False)
    size = sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())
    console.print(f"{cache.folder}: {len(cache)} crops, {size / 1e6:.1f} MB; look at {cache.folder / SHEET}")
    labelled = (cache.index["mask"] >= 0).any()
    step = "train-all RECIPE=recipes/small.toml" if labelled else "infer ENSEMBLE=ensembles/small.toml"
    console.print(f"next: make {step} CACHE={cache.folder}")


def _by_mask(cache: Cache) -> str:
    """Of labelled photos, how many had a face by mask wear: masked faces are what detectors lose."""
    found = cache.index["status"] == DETECTED
    parts = []
    for code, name in enumerate(MASKS):
        mine = found[cache.index["mask"] == code]
        if len(mine):
            parts.append(f"{name} {mine.sum()}/{len(mine)}")
    return f" ({', '.join(parts)})" if parts else ""


def main() -> None:
    """The command line."""
    run_command(Settings, preprocess)
