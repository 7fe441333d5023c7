"""What cache.json and unfinished.json must hold: every field's type and range, and what contradicts what."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from faces.command import from_table
from faces.labelling.kept import labels_stored

FORMAT_VERSION: Final = 1
Codec = Literal["jpeg", "png", "raw"]
TABLES: Final = ("index.parquet", "rejects.csv", "corrections.csv")
"""Files of a cache, beside its shards, whose sha256 is recorded."""
SIZES: Final = (16, 2048)
"""Sides of crops, in pixels: the least and the most."""
REJECTED: Final = "rejected"
"""Status of a photo that could not be used; it stands in rejects.csv and not in the index."""
HEADERS: Final = 1024
"""Bytes of a tar that hold no more than the names of one sample's two files."""
_SHARD: Final = re.compile(r"[0-9]{5,9}\.tar")
_HASH: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """The settings that reading needs; others are of the program that wrote the cache, and stay open."""

    codec: Codec
    size: int
    background: str = "keep"

    def __post_init__(self) -> None:
        low, high = SIZES
        if not low <= self.size <= high:
            raise ValueError(f"size: {self.size}, must be from {low} to {high}")
        if (self.background, self.codec) == ("alpha", "jpeg"):
            raise ValueError("codec: 'jpeg', though background is 'alpha' and a JPEG cannot be transparent")


@dataclass(frozen=True, kw_only=True)
class Part:
    """A run of shards of one of the caches that were joined."""

    name: str
    shards: int
    prefix: str
    shift: int
    lacks: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_least(self.shards, "shards", 1)
        _check_least(self.shift, "shift", 0)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What the photos are; see `preprocess.run` and `preprocess.join_caches`, which write it."""

    folder: str = ""
    layout: str = ""
    photos: int = 0
    fingerprint: str = ""
    names: str = ""
    drawn: bool = False
    """Whether some of them show drawn people (`faces.sample`)."""
    parts: tuple[Part, ...] = ()

    def __post_init__(self) -> None:
        _check_least(self.photos, "photos", 0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """unfinished.json: what decides a cache before any of it is there."""

    version: int
    settings: Mapping[str, Any]
    source: Source
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A file of shards/, by what it must be."""

    name: str
    bytes: int
    sha256: str

    def __post_init__(self) -> None:
        if not _SHARD.fullmatch(self.name):
            raise ValueError(f"name: {_shown(self.name)} is no name of a shard, such as 00000.tar")
        _check_least(self.bytes, "bytes", HEADERS)
        _check_hash(self.sha256, "sha256")


@dataclass(frozen=True, kw_only=True)
class Description(Plan):
    """cache.json: the plan, and what came of it."""

    samples: int
    status: Mapping[str, int]
    shards: tuple[Shard, ...]
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_least(self.samples, "samples", 1)
        for name, count in self.status.items():
            _check_least(count, f"status of {_shown(name)}", 0)
        for name, sha256 in self.files.items():
            if name not in TABLES:
                raise ValueError(f"files: {_shown(name)} is none of {', '.join(TABLES)}")
            _check_hash(sha256, f"files: {name}")
        self._check_counts()

    def _check_counts(self) -> None:
        """Refuse what contradicts itself."""
        stored = sum(count for name, count in self.status.items() if name != REJECTED)
        if stored != self.samples:
            raise ValueError(f"samples: {self.samples}, though status counts {stored}")
        numbers = [int(shard.name.removesuffix(".tar")) for shard in self.shards]
        for place, (before, after) in enumerate(itertools.pairwise(numbers), 1):
            if after <= before:
                name = _shown(self.shards[place].name)
                raise ValueError(f"shards: {name} comes after {_shown(self.shards[place - 1].name)}")
        size = sum(shard.bytes for shard in self.shards)
        if self.samples * HEADERS > size:  # so that no more rows are read than there are bytes for
            raise ValueError(f"samples: {self.samples}, more than shards of {size:,} bytes can hold")
        joined = sum(part.shards for part in self.source.parts)
        if self.source.parts and joined != len(self.shards):
            raise ValueError(f"shards: {len(self.shards)}, though the parts of source have {joined}")


def check_description(table: Mapping[str, Any], path: Path, *, finished: bool) -> None:
    """Refuse what is no description of a cache.

    Args:
        table: of cache.json or unfinished.json.
        path: the file, named in errors.
        finished: which of the two it is.

    Raises:
        ValueError: file, field and value; without a cure.
    """
    checked = from_table(Description if finished else Plan, table, path)
    if checked.version != FORMAT_VERSION:
        raise ValueError(f"{path}: version: {checked.version}, expected {FORMAT_VERSION}")
    names = ("codec", "size", "background")
    known = {name: checked.settings[name] for name in names if name in checked.settings}
    from_table(CropSettings, known, f"{path}: settings")
    labels_stored(table.get("labels"), path)


def _check_least(value: int, name: str, least: int) -> None:
    if value < least:
        raise ValueError(f"{name}: {value}, must be {least} or more")


def _check_hash(value: str, name: str) -> None:
    if not _HASH.fullmatch(value):
        raise ValueError(f"{name}: {_shown(value)} is no sha256 of 64 hex digits")


def _shown(value: str) -> str:
    return repr(value if len(value) <= 80 else f"{value[:80]}...")
