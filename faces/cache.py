"""The face-crop cache: WebDataset tar shards read by memory map, one index, a description written last.

cache.json            format version, settings, counts, size and sha256 of every shard; written last
index.parquet         one row a sample, in the order of the shards
rejects.csv           one row a photo that is in no shard, with the reason
shards/00000.tar      per sample `<key>.jpg` (or `<key>.rgb`: raw uint8 HWC) and `<key>.json`
shards/00000.idx      the index DALI's own webdataset reader wants (wds2idx v1.2)
unfinished.json       settings and source of a cache still being written
parts/00000.parquet   rows of a written shard, until the index is
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from faces.labels import TASKS, IntArray

FORMAT_VERSION = 1
Codec = Literal["jpeg", "raw"]
EXTENSIONS: dict[Codec, str] = {"jpeg": "jpg", "raw": "rgb"}


class CacheError(ValueError):
    """A cache that cannot be used: unfinished, of another version, or damaged."""


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Cache:
    """A finished cache, open for random access. Row numbers count `index` from 0."""

    folder: Path
    description: dict[str, Any]
    index: pd.DataFrame
    """One row a sample: key, position (in the source's listing), image_id, source, source_sha256, shard,
    offset, length (bytes), height, width, codec, person, mask, gender, age, face_box, crop_box (xyxy, source
    pixels), landmarks (five x, y), score, detector, status."""
    rejects: pd.DataFrame
    """One row a photo that could not be used: position, image_id, source, source_sha256, person, mask,
    gender, age, reason."""

    @classmethod
    def open(cls, folder: Path) -> Cache:
        """Open a finished cache, comparing every shard with its recorded size and sha256.

        Hashing reads the shards once a command, and is the only check that finds flipped bits: decoders turn
        them into wrong pixels silently.

        Raises:
            CacheError: no such folder, unfinished, of another format version, or damaged.
        """
        description = _read_description(folder)
        for shard in description["shards"]:
            _check_shard(folder / "shards" / shard["name"], shard)
        index = pd.read_parquet(folder / "index.parquet")
        if len(index) != description["samples"]:
            raise CacheError(
                f"{folder / 'index.parquet'}: {len(index)} rows where cache.json counts "
                f"{description['samples']}; delete {folder} and preprocess again"
            )
        text = {"image_id": str, "source": str, "person": str}
        rejects = pd.read_csv(
            folder / "rejects.csv", dtype=text, keep_default_na=False, na_values={"age": [""]}
        )
        return cls(folder, description, index, rejects)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.index)

    @property
    def codec(self) -> Codec:
        """How the crops are stored."""
        codec: Codec = self.description["settings"]["codec"]
        return codec

    @property
    def size(self) -> int:
        """Height and width of every crop, in pixels."""
        return int(self.description["settings"]["size"])

    @property
    def identity(self) -> str:
        """Hex sha256 over the shards' hashes: equal for caches of equal samples."""
        hashes = "".join(shard["sha256"] for shard in self.description["shards"])
        return hashlib.sha256(hashes.encode()).hexdigest()

    def labels(self, task: str) -> IntArray:
        """[n] int64 classes of every row in the task named, -1 where not labelled or not the task's."""
        return TASKS[task].encode(self.index["mask"], self.index["gender"], self.index["age"])

    @cached_property
    def _maps(self) -> list[NDArray[np.uint8]]:
        maps = []
        for shard in self.description["shards"]:
            with (self.folder / "shards" / shard["name"]).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            maps.append(np.frombuffer(mapped, np.uint8))
        return maps

    @cached_property
    def _places(self) -> IntArray:
        return self.index[["shard", "offset", "length"]].to_numpy(np.int64)

    def encoded(self, rows: IntArray) -> list[NDArray[np.uint8]]:
        """Read-only views of the stored bytes of these rows, nothing copied.

        Returns:
            Per row uint8 [length] of a JPEG file, or uint8 [size, size, 3] RGB for a raw cache.
        """
        views = [self._maps[shard][at : at + length] for shard, at, length in self._places[rows]]
        if self.codec == "raw":
            return [view.reshape(self.size, self.size, 3) for view in views]
        return views

    def image(self, row: int) -> NDArray[np.uint8]:
        """One crop decoded for people to look at: RGB uint8 [size, size, 3]."""
        [data] = self.encoded(np.array([row]))
        if self.codec == "raw":
            return data
        return np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))


def _read_description(folder: Path) -> dict[str, Any]:
    path = folder / "cache.json"
    if not folder.is_dir():
        raise CacheError(f"{folder}: no such cache; make one with `make preprocess DATA=... CACHE={folder}`")
    if not path.is_file():
        raise CacheError(
            f"{folder}: no cache.json, so this cache is unfinished (or not a cache); "
            f"run the same `make preprocess ... CACHE={folder}` again and it resumes"
        )
    try:
        description: dict[str, Any] = json.loads(path.read_text())
    except ValueError as error:
        raise CacheError(
            f"{path}: not readable as JSON ({error}); delete {folder} and preprocess again"
        ) from error
    if description.get("version") != FORMAT_VERSION:
        raise CacheError(
            f"{path}: format version {description.get('version')}, this program reads {FORMAT_VERSION}; "
            "preprocess the photos again into another folder"
        )
    return description


def _check_shard(path: Path, shard: dict[str, Any]) -> None:
    size = path.stat().st_size if path.is_file() else None
    if size != shard["bytes"]:
        state = "missing" if size is None else f"truncated or grown: {size} bytes instead of {shard['bytes']}"
        raise CacheError(f"{path}: shard is {state}; delete {path.parents[1]} and preprocess again")
    if file_sha256(path) != shard["sha256"]:
        raise CacheError(
            f"{path}: content differs from its recorded sha256, so the disk or a copy damaged it; "
            f"delete {path.parents[1]} and preprocess again"
        )
