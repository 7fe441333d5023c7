"""`python -m preprocess.join --caches A B --cache NEW`: finished caches as one, no crop made anew."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from faces.cache import Cache
from faces.command import run_command
from faces.labels import UNKNOWN
from faces.terminal import photo_progress
from faces.writer import REJECTED, CacheWriter, exclusive, write_atomically
from preprocess.look.sheet import write_sheet

EXTRA, EVERY_FOLD = "extra", "all"
"""The column of the index that says in which folds a photo beside the ordinary ones trains, and its value for
all of them; `fold<k>` is fold k alone, "" an ordinary photo (train/data/rows.py)."""
FREE = ("seed", "shard_size", "quality", "max_megapixels")
"""Settings that do not change how a face is cut."""
EMPTY: Mapping[str, Any] = {
    "mask": UNKNOWN,
    "gender": UNKNOWN,
    "faces": 0,
    **dict.fromkeys(("person", "image_id", "source", "source_sha256", "detector"), ""),
}
"""What stands in columns that a cache lacks and another has; in all others nothing (null)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Joins finished caches into a new one that shares their shards by hard links.

    All must have been cropped alike. A person of the same name in two caches is one person. Keys that an
    earlier cache has too get the name of their cache in front. After a stop the same command goes on.
    """

    caches: tuple[Path, ...]
    """Caches of ordinary photos, for example labelled ones and those to predict."""
    cache: Path
    """Folder to write; made if need be."""
    extra_caches: tuple[Path, ...] = ()
    """Caches of photos that only train, in every fold, and never validate. One whose index has a column
    `extra` says itself in which folds."""

    def __post_init__(self) -> None:
        folders = [*self.caches, *self.extra_caches]
        if not self.caches or len(folders) < 2:
            raise ValueError(
                f"caches={' '.join(map(str, self.caches))}, extra_caches="
                f"{' '.join(map(str, self.extra_caches))}: name two or more, one of them in caches"
            )
        names = [_name(folder) for folder in folders]
        for at, name in enumerate(names):
            if name in names[:at]:
                raise ValueError(
                    f"{folders[names.index(name)]} and {folders[at]} are both called {name!r}, and photos "
                    "are told apart by the name of their cache: rename a folder, or name each cache once"
                )


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
    def parts(self) -> list[dict[str, Any]]:
        """Runs of its shards, as cache.json tells them: one, or those it was joined of itself."""
        shards = len(self.cache.description["shards"])
        whole = {"name": _name(self.cache.folder), "shards": shards, "prefix": "", "shift": 0, "lacks": []}
        return [
            {
                **part,
                "prefix": self.prefix + part["prefix"],
                "shift": self.shift + part["shift"],
                "lacks": sorted({*part["lacks"], *self.lacks}),
            }
            for part in self.cache.description["source"].get("parts", [whole])
        ]


def join(settings: Settings) -> Cache:
    """Join the caches; what the same command has joined before is opened as it is.

    Raises:
        ValueError: the caches were cropped differently, one cannot be used, or the folder holds another one.
        OSError: not writable.
    """
    caches = [Cache.open(folder) for folder in (*settings.caches, *settings.extra_caches)]
    for other in caches[1:]:
        _check_alike(caches[0], other)
    sources = _plan(caches, ordinary=len(settings.caches))
    settings.cache.mkdir(parents=True, exist_ok=True)
    with exclusive(settings.cache):
        writer = CacheWriter(
            settings.cache,
            settings=caches[0].description["settings"],
            source=_told(sources),
            shard_count=sum(len(cache.description["shards"]) for cache in caches),
        )
        if not writer.finished:
            _write(writer, sources)
        joined = writer.finish()
        write_sheet(joined)
    extra = int((joined.columns(EXTRA)[EXTRA] != "").sum())
    Console(highlight=False, soft_wrap=True).print(
        f"{joined.folder}: {len(joined)} crops of {len(caches)} caches, {extra} of them extra"
    )
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
            rows = rows.assign(key=keys, position=positions).drop(columns=part["lacks"])
            break
    return rows


def _name(folder: Path) -> str:
    return folder.resolve().name


def _check_alike(one: Cache, other: Cache) -> None:
    """Refuse caches whose crops are not of one kind."""
    first, second = one.description["settings"], other.description["settings"]
    differing = [
        f"{key}: {first.get(key)!r} there, {second.get(key)!r} here"
        for key in sorted({*first, *second} - {*FREE})
        if first.get(key) != second.get(key)
    ]
    if one.channels != other.channels:
        differing.append(f"channels: {one.channels} there, {other.channels} here")
    if differing:
        raise ValueError(
            f"{other.folder}: cropped differently from {one.folder} ({'; '.join(differing)}); preprocess its "
            "photos again with the settings of the other"
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
            prefix += f"{_name(cache.folder)}-"
        lacks = tuple(sorted(columns - {*cache.index.columns}))
        sources.append(_Source(cache, number >= ordinary, prefix, shift, lacks))
        taken.update(prefix + key for key in keys)
        shift += 1 + max(int(t["position"].max()) for t in (cache.index, cache.rejects) if len(t))
    return sources


def _told(sources: Sequence[_Source]) -> dict[str, Any]:
    """What cache.json says of where the crops come from; other caches, labels or roles give another one."""
    contents = [
        [_name(s.cache.folder), s.cache.identity, s.cache.description.get("files"), s.extra] for s in sources
    ]
    return {
        "folder": " + ".join(_name(source.cache.folder) for source in sources),
        "layout": "joined",
        "photos": sum(len(source.cache) + len(source.cache.rejects) for source in sources),
        "fingerprint": hashlib.sha256(json.dumps(contents).encode()).hexdigest(),
        "parts": [part for source in sources for part in source.parts],
    }


def _write(writer: CacheWriter, sources: Sequence[_Source]) -> None:
    """Link the shards under new numbers, each with its part of the index after it."""
    number = 0
    with photo_progress() as progress:
        bar = progress.add_task("join", total=sum(len(source.cache) for source in sources))
        for source in sources:
            index, rejects = _moved(source, source.cache.index), _moved(source, source.cache.rejects)
            rejects["status"] = REJECTED
            for own, shard in enumerate(source.cache.description["shards"]):
                rows = index[index["shard"] == own].assign(shard=number)
                for suffix in (".tar", ".idx"):
                    theirs = (source.cache.folder / "shards" / shard["name"]).with_suffix(suffix)
                    _link(theirs, (writer.folder / "shards" / f"{number:05d}").with_suffix(suffix))
                part = rows if own or rejects.empty else pd.concat([rows, rejects], ignore_index=True)
                buffer = io.BytesIO()
                part.to_parquet(buffer, index=False)
                write_atomically(writer.folder / "parts" / f"{number:05d}.parquet", buffer.getvalue())
                progress.advance(bar, len(rows))
                number += 1


def _moved(source: _Source, table: pd.DataFrame) -> pd.DataFrame:
    """Index or rejects of a cache with positions, keys and columns as they are in the joined one."""
    moved = table.assign(position=table["position"] + source.shift)
    if "key" in moved:
        moved["key"] = source.prefix + moved["key"]
        filled = {**EMPTY, EXTRA: EVERY_FOLD if source.extra else ""}
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


def main() -> None:
    """The command line."""
    run_command(Settings, join)


if __name__ == "__main__":
    main()
