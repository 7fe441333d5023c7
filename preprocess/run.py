"""Stage 1: scan, shuffle, detect, crop, write."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from faces.cache.reader import Cache
from faces.cache.writer import CORRECTED, CacheWriter
from faces.files import exclusive, write_atomically
from faces.framing.face import GIVEN
from faces.labels import LabelSet
from faces.sample.mark import is_drawn
from faces.storage.cells import csv_bytes
from faces.terminal.progress import photo_progress
from faces.terminal.text import printable
from preprocess.crop.matte import weights_sha256
from preprocess.detect.reuse import known_faces
from preprocess.engines.left import resume
from preprocess.engines.start import SEARCHED_ON, run_engine
from preprocess.look.changes import NAMES, check_unchanged, names_fingerprint
from preprocess.look.data_card import DATA_CARD, write_data_card
from preprocess.look.sheet import SHEET, write_sheet
from preprocess.settings import PreprocessSettings
from preprocess.shard import Tools
from preprocess.sources.corrections import apply
from preprocess.sources.listing import BOX, counted
from preprocess.sources.persons import check_persons
from preprocess.sources.scan import Listing, scan
from preprocess.sources.spellings import alike_notes, people_of
from preprocess.summary import Budget, Work, summarise


def plan_shards(photos: int, shard_size: int, seed: int) -> list[list[int]]:
    """Which photos make up which shard: all of them shuffled, then spread evenly over the fewest shards.

    Returns:
        Positions by shard. 700 photos with shard_size 512 are 350 and 350, so two workers end together.
    """
    count = -(-photos // shard_size)
    order = np.random.default_rng(seed).permutation(photos)
    return [part.tolist() for part in np.array_split(order, count)]


@dataclass(frozen=True)
class Job:
    """What is to be made a cache of: the same in every process that makes a part of it."""

    settings: PreprocessSettings
    listing: Listing
    corrected: pd.DataFrame
    """Labels that were corrected."""
    plan: list[list[int]]
    """Positions by shard."""
    decisive: dict[str, Any]
    """Settings that decide a crop's bytes."""
    console: Console

    def writer(self) -> CacheWriter:
        """Of the cache.

        Raises:
            ValueError: the cache was begun with other photos or settings.
        """
        check_unchanged(self.settings.cache, self.listing)
        return CacheWriter(
            self.settings.cache,
            settings=self.decisive,
            labels=self.listing.labels,
            source=_source(self.listing),
            shard_count=len(self.plan),
        )

    def note(self, line: str) -> None:
        """Print a line."""
        self.console.print(printable(line), markup=False)


def job_of(settings: PreprocessSettings) -> Job:
    """Read what is known of the photos, and print what is to be said of that.

    Raises:
        ValueError: the photos do not fit (see `scan`), or a matting model that is asked for lacks weights.
    """
    console = Console(markup=False, highlight=False, soft_wrap=True)
    listing, corrected = _corrected(settings)
    for note in listing.notes:
        console.print(note, markup=False)
    plan = plan_shards(len(listing.photos), settings.shard_size, settings.seed)
    removed = settings.background != "keep"
    decisive = settings.crop_settings(weights_sha256(settings.matting_model) if removed else "")
    return Job(settings, listing, corrected, plan, decisive, console)


def preprocess(settings: PreprocessSettings) -> Cache:
    """Make the cache of a folder of photos, or complete it; a finished one is opened as it is.

    Raises:
        ValueError: the photos or the settings do not fit (see `scan`, `CacheWriter`), no photo is usable, too
            many are not, another process writes this cache, or the settings name a share of it
            (`preprocess.share.preprocess_share` makes those).
        OSError: the cache cannot be written, or a worker was killed.
    """
    if settings.shard:
        raise ValueError(f"shard={settings.shard}: a share is no cache; make it by `python -m preprocess`")
    job = job_of(settings)
    with exclusive(settings.cache):
        writer = job.writer()
        if writer.finished:
            return as_it_is(job)
        return finished(job, writer, make(job, writer))


def finished(job: Job, writer: CacheWriter, work: Work) -> Cache:
    """Make a cache of what all shards hold, and what lies beside it; print what came of it."""
    path = job.settings.cache / CORRECTED
    if len(job.corrected):
        write_atomically(path, csv_bytes(job.corrected))
        job.console.print(f"{len(job.corrected)} corrections of labels: {path}", markup=False)
    else:
        path.unlink(missing_ok=True)  # of a stopped run
    (job.settings.cache / SEARCHED_ON).unlink(missing_ok=True)
    cache = writer.finish(job.listing.left_out)
    write_sheet(cache)
    write_data_card(cache)
    summarise(cache, job.console, work, job.settings.data)
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


def as_it_is(job: Job) -> Cache:
    """Open a finished cache whose photos are still the same."""
    settings, listing, console = job.settings, job.listing, job.console
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


def make(job: Job, writer: CacheWriter, share: Collection[int] | None = None) -> Work:
    """Make the shards that are still to be made.

    Args:
        job: what is to be made.
        writer: of the cache.
        share: numbers of those that are this process's, by default all.
    """
    started = time.perf_counter()
    settings, listing = job.settings, job.listing
    searching = settings.faces != "as_is"
    known = known_faces(settings.cache, settings.face_settings(), job.note) if searching else {}
    lost = resume(writer, job.plan, listing, settings, job.note, share)
    rows: list[Any] = listing.photos.to_dict("records")
    own = {*(range(len(job.plan)) if share is None else share)}
    shards = {
        shard: [rows[position] for position in job.plan[shard]] for shard in writer.pending() if shard in own
    }
    photos = sum(map(len, shards.values()))
    if not shards:
        return Work()
    boxes = listing.photos.source[listing.photos[BOX].notna()] if BOX in listing.photos else pd.Series()
    given = {str(source): int(count) for source, count in boxes.value_counts().items()}
    tools = Tools(settings, listing.folder, known, given, _nobody(listing.labels))
    budget = Budget(writer.folder, len(rows), settings.max_lost, lost, listing.labels)
    total = sum(len(job.plan[shard]) for shard in own)
    with photo_progress() as progress:
        bar = progress.add_task("faces", total=total, completed=total - photos)

        def report(count: int, rejects: list[Mapping[str, Any]]) -> None:
            progress.advance(bar, count)
            budget.spend(rejects)

        cpu = run_engine(shards, tools, writer, listing, report, job.note)
    found = [
        table.reindex(columns=["source_sha256", "detector", "face"])  # rejects have neither
        for _, table in writer.parts.rows(shards)
    ]
    taken_over = sum(
        int((table.source_sha256.isin(known) & (table.detector != GIVEN) & ~(table.face > 0)).sum())
        for table in found
    )
    return Work(photos, taken_over, time.perf_counter() - started, cpu)


def _nobody(labels: LabelSet) -> dict[str, Any]:
    """Person and labels of who is nobody known."""
    return {"person": "", **{factor.name: factor.missing for factor in labels.factors}}


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
