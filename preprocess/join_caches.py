"""Finished caches as one that shares their shards by hard links, and the rows of its shards as they were."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from faces.cache.crops import crop_cure, crop_differences
from faces.cache.description import file_sha256
from faces.cache.parts import Written
from faces.cache.reader import Cache
from faces.cache.tables import read_index
from faces.cache.writer import REJECTED, CacheWriter
from faces.files import exclusive
from faces.folds import EVERY_FOLD, EXTRA, SPLIT
from faces.labelling.kept import differences
from faces.labels import Categories
from faces.remote.shards import brought_whole
from faces.terminal.progress import photo_progress
from preprocess.look.data_card import write_data_card
from preprocess.look.framing import TRUE, told_pixels
from preprocess.look.sheet import write_sheet

FREE = ("seed", "shard_size", "quality", "max_megapixels")
"""Settings that do not change how a face is cut."""
EMPTY: Mapping[str, Any] = {
    **dict.fromkeys(("faces", "face", "turned"), 0),
    **dict.fromkeys(("person", "image_id", "source", "source_sha256", "detector", SPLIT), ""),
}
"""What stands in columns that a cache lacks and another has. Labels are then not known, shares of true pixels
are those that the squares tell; in all others stands nothing (null)."""


@dataclass(frozen=True)
class _Source:
    """A cache to be joined, and how its rows are changed."""

    cache: Cache
    extra: bool
    """Whether it was given as one of photos that only train."""
    prefix: str
    """Put before its keys."""
    shift: int
    """Added to its positions."""
    lacks: tuple[str, ...]
    """Columns of the joined index that its own has not."""

    @property
    def photos(self) -> int:
        """How many photos it is of, rejected ones too; of several faces each once."""
        return self.cache.index["position"].nunique() + len(self.cache.rejects)

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Runs of its shards, as in cache.json: one, or those it was joined of itself."""
        shards = len(self.cache.description["shards"])
        name = cache_name(self.cache.folder)
        whole = {"name": name, "shards": shards, "prefix": "", "shift": 0, "lacks": []}
        return [
            {
                **part,
                "prefix": self.prefix + part["prefix"],
                "shift": self.shift + part["shift"],
                "lacks": sorted({*part["lacks"], *self.lacks}),
            }
            for part in self.cache.description["source"].get("parts", [whole])
        ]


def join_caches(caches: Sequence[Path], folder: Path, extra_caches: Sequence[Path] = ()) -> Cache:
    """Join finished caches into a new one; what was joined in the same way before is opened as it is.

    Args:
        caches: folders of caches of ordinary photos.
        folder: of the new cache; made if need be.
        extra_caches: folders of caches of photos that only train.

    Raises:
        ValueError: the caches were cropped or labelled differently, one cannot be used, or the folder holds
            another one.
        OSError: not writable.
    """
    opened = [Cache.open(place) for place in (*caches, *extra_caches)]
    for cache in opened:
        brought_whole(cache.folder, cache.description["shards"])
    for other in opened[1:]:
        _check_alike(opened[0], other)
    sources = _plan(opened, ordinary=len(caches))
    folder.mkdir(parents=True, exist_ok=True)
    with exclusive(folder):
        writer = CacheWriter(
            folder,
            settings=opened[0].description["settings"],
            labels=opened[0].label_set,
            source=_description(sources),
            shard_count=sum(len(cache.description["shards"]) for cache in opened),
        )
        if not writer.finished:
            _write(writer, sources)
        joined = writer.finish()
        write_sheet(joined)
        write_data_card(joined)
    return joined


def as_written(index: pd.DataFrame, source: Mapping[str, Any], shard: int) -> pd.DataFrame:
    """The rows of one shard as the shard's own files have them: as they were before caches were joined.

    Args:
        index: of a cache, joined or not.
        source: the entry `source` of its cache.json.
        shard: number of the shard.
    """
    rows = index[index["shard"] == shard]
    for part in source.get("parts", []):
        shard -= part["shards"]
        if shard < 0:
            keys, positions = rows["key"].str.removeprefix(part["prefix"]), rows["position"] - part["shift"]
            rows = rows.assign(key=keys, position=positions).drop(columns=part["lacks"], errors="ignore")
            break
    return rows


def cache_name(folder: Path) -> str:
    """The name that sets a cache apart from those it is joined with."""
    return folder.resolve().name


def _check_alike(one: Cache, other: Cache) -> None:
    """Refuse caches whose crops are not of one kind."""
    first, second = one.description["settings"], other.description["settings"]
    differing = crop_differences(first, second, FREE, ("there", "here"))
    if one.channels != other.channels:
        differing.append(f"channels: {one.channels} there, {other.channels} here")
    if differing:
        raise ValueError(
            f"{other.folder}: cropped differently from {one.folder} ({'; '.join(differing)}); preprocess its "
            f"photos again, into another folder, with {crop_cure(first, second, FREE)}"
        )
    differing = differences(other.label_set, one.label_set)
    if differing:
        raise ValueError(
            f"{other.folder}: labelled with other factors than {one.folder} ({'; '.join(differing)}); "
            "preprocess the photos of one again with LABELS= the label file of the other"
        )


def _plan(caches: Sequence[Cache], ordinary: int) -> list[_Source]:
    """How each cache's rows are changed so that keys and positions stay unique; the last ones are extra."""
    columns = {EXTRA}.union(*(cache.index.columns for cache in caches))
    sources: list[_Source] = []
    taken: set[str] = set()
    shift = 0
    for number, cache in enumerate(caches):
        keys, prefix = [*cache.index["key"]], ""
        while not taken.isdisjoint(prefix + key for key in keys):
            prefix += f"{cache_name(cache.folder)}-"
        lacks = tuple(sorted(columns - {*cache.index.columns}))
        sources.append(_Source(cache, number >= ordinary, prefix, shift, lacks))
        taken.update(prefix + key for key in keys)
        shift += 1 + max(int(t["position"].max()) for t in (cache.index, cache.rejects) if len(t))
    return sources


def _description(sources: Sequence[_Source]) -> dict[str, Any]:
    """The entry `source` of cache.json; other caches, labels or roles give another one."""
    contents = [
        [cache_name(s.cache.folder), s.cache.identity, s.cache.description.get("files"), s.extra]
        for s in sources
    ]
    return {
        "folder": " + ".join(cache_name(source.cache.folder) for source in sources),
        "layout": "joined",
        "photos": sum(source.photos for source in sources),
        "fingerprint": hashlib.sha256(json.dumps(contents).encode()).hexdigest(),
        "parts": [part for source in sources for part in source.parts],
        **({"drawn": True} if any(source.cache.drawn for source in sources) else {}),
    }


def _write(writer: CacheWriter, sources: Sequence[_Source]) -> None:
    """Link the shards under new numbers, each with its part of the index after it."""
    number = 0
    with photo_progress() as progress:
        bar = progress.add_task("join", total=sum(len(source.cache) for source in sources))
        for source in sources:
            # As their files have them, since each crop has its row beside it in the shard.
            tables = read_index(source.cache.folder), source.cache.rejects
            index, rejects = (_moved(source, table) for table in tables)
            rejects["status"] = REJECTED
            for own, shard in enumerate(source.cache.description["shards"]):
                rows = index[index["shard"] == own].assign(shard=number)
                for suffix in (".tar", ".idx"):
                    theirs = (source.cache.folder / "shards" / shard["name"]).with_suffix(suffix)
                    _link(theirs, writer.parts.file(number, suffix))
                part = rows if own or rejects.empty else pd.concat([rows, rejects], ignore_index=True)
                idx = writer.parts.file(number, ".idx")
                files = {
                    ".tar": Written(shard["bytes"], shard["sha256"]),
                    ".idx": Written(idx.stat().st_size, file_sha256(idx)),
                }
                writer.parts.add(number, part, files)
                progress.advance(bar, len(rows))
                number += 1


def _moved(source: _Source, table: pd.DataFrame) -> pd.DataFrame:
    """Index or rejects of a cache with positions, keys and columns as they are in the joined one."""
    moved = table.assign(position=table["position"] + source.shift)
    if "key" in moved:
        moved["key"] = source.prefix + moved["key"]
        factors = source.cache.label_set.factors
        unknown = {factor.name: factor.missing for factor in factors if isinstance(factor, Categories)}
        filled = {**EMPTY, **unknown, EXTRA: EVERY_FOLD if source.extra else "", TRUE: told_pixels(table)}
        moved = moved.assign(**{name: filled[name] for name in source.lacks if name in filled})
    return moved


def _link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy of it where the file system cannot link."""
    target.unlink(missing_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        temporary = target.with_name(target.name + ".tmp")
        shutil.copyfile(source, temporary)
        temporary.replace(target)
