"""Stage 1: scan, shuffle, detect, crop, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache.reader import Cache
from faces.cache.writer import CORRECTED, REJECTED, CacheWriter, reject_columns
from faces.cores import usable_cores
from faces.files import exclusive, write_atomically
from faces.framing.face import GIVEN
from faces.labels import LabelSet
from faces.photos.files import BadPhoto
from faces.sample.mark import is_drawn
from faces.storage.cells import csv_bytes
from faces.terminal.progress import photo_progress
from faces.terminal.text import printable
from preprocess.crop.matte import gpu_offered, weights_sha256
from preprocess.detect.device import FEEDERS, choose_device, has_driver
from preprocess.detect.reuse import known_faces
from preprocess.detect.search import Device
from preprocess.look.changes import NAMES, check_unchanged, names_fingerprint
from preprocess.look.data_card import DATA_CARD, write_data_card
from preprocess.look.sheet import SHEET, write_sheet
from preprocess.pool import run_shards
from preprocess.settings import PreprocessSettings
from preprocess.shard import Tools, open_photo
from preprocess.sources.corrections import apply
from preprocess.sources.listing import BOX, counted
from preprocess.sources.persons import check_persons
from preprocess.sources.scan import Listing, scan, source_path
from preprocess.sources.spellings import alike_notes, people_of
from preprocess.summary import Budget, Work, summarise

Note = Callable[[str], None]
"""Called with a line for whoever waits."""
SEARCHED_ON = "searched_on.txt"
"""Of an unfinished cache: the device that its faces are searched on, where that was measured."""
MOST_TOLD = 5
"""Shards of an earlier run that are named one by one where they are damaged."""


def plan_shards(photos: int, shard_size: int, seed: int) -> list[list[int]]:
    """Which photos make up which shard: all of them shuffled, then spread evenly over the fewest shards.

    Returns:
        Positions by shard. 700 photos with shard_size 512 are 350 and 350, so two workers end together.
    """
    count = -(-photos // shard_size)
    order = np.random.default_rng(seed).permutation(photos)
    return [part.tolist() for part in np.array_split(order, count)]


def preprocess(settings: PreprocessSettings) -> Cache:
    """Make the cache of a folder of photos, or complete it; a finished one is opened as it is.

    Raises:
        ValueError: the photos or the settings do not fit (see `scan`, `CacheWriter`), no photo is usable, too
            many are not, or another process writes this cache.
        OSError: the cache cannot be written, or a worker was killed.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    listing, corrected = _corrected(settings)
    removed = settings.background != "keep"
    decisive = settings.crop_settings(weights_sha256(settings.matting_model) if removed else "")
    for note in listing.notes:
        console.print(note, markup=False)
    with exclusive(settings.cache):
        check_unchanged(settings.cache, listing)
        plan = plan_shards(len(listing.photos), settings.shard_size, settings.seed)
        writer = CacheWriter(
            settings.cache,
            settings=decisive,
            labels=listing.labels,
            source=_source(listing),
            shard_count=len(plan),
        )
        if writer.finished:
            return _as_it_is(settings, listing, console)
        path = settings.cache / CORRECTED
        if len(corrected):
            write_atomically(path, csv_bytes(corrected))
            console.print(f"{len(corrected)} corrections of labels: {path}", markup=False)
        else:
            path.unlink(missing_ok=True)  # of a stopped run
        work = _process(
            settings, listing, writer, plan, lambda line: console.print(printable(line), markup=False)
        )
        (settings.cache / SEARCHED_ON).unlink(missing_ok=True)
        cache = writer.finish(listing.left_out)
        write_sheet(cache)
        write_data_card(cache)
        summarise(cache, console, work, settings.data)
        return cache


def _corrected(settings: PreprocessSettings) -> tuple[Listing, pd.DataFrame]:
    """The photos with labels that can be trusted, and what was corrected of them."""
    listing, corrected = apply(scan(settings.data, settings.columns, settings.labels), settings.corrections)
    check_persons(listing)
    listing = replace(listing, notes=(*listing.notes, *alike_notes(people_of(listing.photos))))
    if settings.align and BOX in listing.photos:
        raise ValueError(
            f"align: {listing.folder} gives faces by boxes, without the landmarks that are needed; leave "
            "--align out"
        )
    if settings.faces == "all" and listing.layout == "eval":
        raise ValueError(f"faces=all: {listing.folder} asks for one answer a photo; leave --faces out")
    if settings.faces == "as_is" and BOX in listing.photos:
        raise ValueError(
            f"faces=as_is: {listing.folder} gives the places of faces in its photos; leave --faces out"
        )
    return listing, corrected


def _as_it_is(settings: PreprocessSettings, listing: Listing, console: Console) -> Cache:
    """Open a finished cache whose photos are still the same."""
    cache = Cache.open(settings.cache)
    sizes = cache.index.drop_duplicates("position").set_index("position").source_bytes
    now = listing.photos.set_index("position").bytes.reindex(sizes.index)
    changed = listing.photos.source[sizes.index[sizes != now]]
    if len(changed):
        raise ValueError(
            f"{settings.cache}: since it was made, {counted(len(changed), 'photo')} changed, the first "
            f"{changed.iloc[0]}; choose another CACHE folder beside it, which takes over the faces of the "
            "others, or delete this one"
        )
    if not (settings.cache / SHEET).is_file():
        write_sheet(cache)
    if not (settings.cache / DATA_CARD).is_file():
        write_data_card(cache)
    console.print(f"{settings.cache}: nothing to do, this cache is finished")
    summarise(cache, console, Work(), settings.data)
    return cache


def _process(
    settings: PreprocessSettings,
    listing: Listing,
    writer: CacheWriter,
    plan: list[list[int]],
    note: Note,
) -> Work:
    """Do the shards that are still to be done."""
    started = time.perf_counter()
    searching = settings.faces != "as_is"
    known = known_faces(settings.cache, settings.face_settings(), note) if searching else {}
    lost = _resume(writer, plan, listing, settings, note)
    rows: list[Any] = listing.photos.to_dict("records")
    shards = {shard: [rows[position] for position in plan[shard]] for shard in writer.pending()}
    photos = sum(map(len, shards.values()))
    if not shards:
        return Work()
    boxes = listing.photos.source[listing.photos[BOX].notna()] if BOX in listing.photos else pd.Series()
    given = {str(source): int(count) for source, count in boxes.value_counts().items()}
    cores = usable_cores()
    device = _device(settings, listing, cores, note)
    workers, threads = _crew(settings, device, cores, len(shards))
    tools = Tools(settings, listing.folder, known, given, _nobody(listing.labels), device, threads)
    budget = Budget(writer.folder, len(rows), settings.max_lost, lost, listing.labels)
    with photo_progress() as progress:
        bar = progress.add_task("faces", total=len(rows), completed=len(rows) - photos)

        def report(count: int, rejects: list[Mapping[str, Any]]) -> None:
            progress.advance(bar, count)
            budget.spend(rejects)

        cpu = run_shards(shards, tools, writer, workers, report)
    done = [table for shard, table in writer.parts.rows() if shard in shards]
    found = [
        table.reindex(columns=["source_sha256", "detector", "face"]) for table in done
    ]  # rejects have neither
    taken_over = sum(
        int((table.source_sha256.isin(known) & (table.detector != GIVEN) & ~(table.face > 0)).sum())
        for table in found
    )
    return Work(photos, taken_over, time.perf_counter() - started, cpu)


def _device(settings: PreprocessSettings, listing: Listing, cores: int, note: Note) -> Device:
    sound = listing.photos.source[listing.photos.problem == ""]
    paths = [listing.folder / source_path(source) for source in sound]
    return choose_device(settings, paths, cores, settings.cache / SEARCHED_ON, note)


def _crew(settings: PreprocessSettings, device: Device, cores: int, shards: int) -> tuple[int, int]:
    """Processes, and threads of each that read: on a GPU each process takes a part of its memory and time for
    itself, so few have one, and several threads."""
    matting = settings.background != "keep" and settings.device != "cpu" and gpu_offered() and has_driver()
    shared = device == "cuda" or matting
    processes = min(settings.workers or (min(FEEDERS, cores) if shared else cores), shards)
    return processes, max(1, cores // processes) if shared else 1


def _nobody(labels: LabelSet) -> dict[str, Any]:
    """Person and labels of who is nobody known."""
    return {"person": "", **{factor.name: factor.missing for factor in labels.factors}}


def _resume(
    writer: CacheWriter, plan: list[list[int]], listing: Listing, settings: PreprocessSettings, note: Note
) -> list[Mapping[str, Any]]:
    """Take back shards that are damaged, or whose photos changed or can be read by now; the rejects of the
    others."""
    told = writer.parts.resume()
    more = [f"and {len(told) - MOST_TOLD} more files of shards"] if len(told) > MOST_TOLD else []
    for line in told[:MOST_TOLD] + more:
        note(line)
    now = listing.photos.set_index("position")
    lost: list[Mapping[str, Any]] = []
    for shard, table in writer.parts.rows():
        photos = table.reindex(columns=[*dict.fromkeys((*table, "position", "source_bytes"))])
        rejects = photos[photos.status == REJECTED]
        if {*photos.position} != {*plan[shard]}:
            note(f"{writer.parts.path(shard)}: of other photos than those of its shard; written again")
            writer.parts.take_back(shard)
            continue
        changed = (photos.source_bytes.to_numpy() != now.bytes[photos.position].to_numpy()).any()
        if changed or any(_readable(now.loc[p], listing.folder, settings) for p in rejects.position):
            writer.parts.take_back(shard)
        else:
            columns = reject_columns(listing.labels)
            records: list[Any] = rejects.reindex(columns=columns).to_dict("records")
            lost += records
    return lost


def _readable(row: pd.Series, folder: Path, settings: PreprocessSettings) -> bool:
    try:
        open_photo(dict(row), folder, settings.max_megapixels)
    except BadPhoto:
        return False
    return True


def _source(listing: Listing) -> dict[str, object]:
    """What the photos are; without the place, so that a moved folder still continues its cache."""
    return {
        "folder": listing.folder.resolve().name,
        "layout": listing.layout,
        "photos": len(listing.photos),
        "fingerprint": listing.fingerprint,
        NAMES: names_fingerprint(listing),
        **({"drawn": True} if is_drawn(listing.folder) else {}),
    }
