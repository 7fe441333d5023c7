"""What an unfinished cache still lacks: shards that are damaged, or whose photos changed, are made again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

import pandas as pd

from faces.cache.parts import Parts
from faces.cache.writer import REJECTED, CacheWriter, reject_columns
from faces.photos.files import BadPhoto
from preprocess.settings import PreprocessSettings
from preprocess.shard import open_photo
from preprocess.sources.listing import Listing

Note = Callable[[str], None]
"""Called with a line for whoever waits."""
MOST_TOLD: Final = 5
"""Shards of an earlier run that are named one by one where they are damaged."""


def resume(
    writer: CacheWriter,
    plan: list[list[int]],
    listing: Listing,
    settings: PreprocessSettings,
    note: Note,
    shards: Collection[int] | None,
) -> list[Mapping[str, Any]]:
    """Take back shards that are damaged, or whose photos changed or can be read by now.

    Args:
        writer: of the cache.
        plan: positions by shard.
        listing: the photos as they are now.
        settings: of the run.
        note: told what is taken back.
        shards: those that are looked at, all by default; the others are other processes'.

    Returns:
        The rejects of those that stay.
    """
    told = writer.parts.resume(shards)
    more = [f"and {len(told) - MOST_TOLD} more files of shards"] if len(told) > MOST_TOLD else []
    for line in told[:MOST_TOLD] + more:
        note(line)
    now = listing.photos.set_index("position")
    lost: list[Mapping[str, Any]] = []
    for shard, table in writer.parts.rows(shards):
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
            lost += _records(rejects, writer)
    return lost


def all_rejects(writer: CacheWriter) -> list[Mapping[str, Any]]:
    """The rejects of every shard that counts."""
    return [
        record
        for _, table in writer.parts.rows()
        for record in _records(table[table.status == REJECTED], writer)
    ]


def lacking_line(parts: Parts, lacking: Collection[int]) -> str:
    """How many shards are still to be made, and the first of them."""
    return f"{len(lacking)} of {parts.count} shards are still to be made, the first {min(lacking):05d}"


def _records(rejects: pd.DataFrame, writer: CacheWriter) -> list[Mapping[str, Any]]:
    records: list[Any] = rejects.reindex(columns=reject_columns(writer.labels)).to_dict("records")
    return records


def _readable(row: pd.Series, folder: Path, settings: PreprocessSettings) -> bool:
    try:
        open_photo(dict(row), folder, settings.max_megapixels)
    except BadPhoto:
        return False
    return True
