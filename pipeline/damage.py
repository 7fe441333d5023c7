"""Damage to a cache in use: which crop, which file, and what cures it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from faces.cache.description import CacheError, check_shard, check_table, file_sha256, read_description
from faces.cache.reader import Cache
from faces.cache.tables import INDEX, check_tables, first_line
from faces.command import typed
from faces.failures import lacks_memory
from faces.labels import IntArray
from pipeline.engine import decoded_shapes, other_sizes
from pipeline.graph import Graph

MAX_SKIPPED = 0.05
"""Share of a loader's rows that may be damaged before leaving them out is no cure any more."""


class FileGuard:
    """Notices that files of an open cache were deleted, cut short or replaced.

    Worth a look before each epoch: crops are read through memory maps, and reading one of a file that was
    cut short ends the process without a word (SIGBUS). A deleted file stays readable through its map.

    Args:
        cache: whose shards were compared with their hashes when it was opened.

    Raises:
        CacheError: as `check`.
    """

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        # Those at an address are compared whenever one is brought.
        self._shards = [] if cache.address else cache.description["shards"]
        paths = [cache.folder / "shards" / shard["name"] for shard in self._shards]
        self._seen = {path: _signature(path) for path in paths}
        self._index = ""
        self.check()

    def check(self) -> None:
        """Look at all files; only those that look changed are read.

        Raises:
            CacheError: the cache was deleted, cut short or replaced by another; names the file and the cure.
        """
        folder = self._cache.folder
        try:
            if read_description(folder) != self._cache.description:
                raise CacheError(f"{folder / 'cache.json'}: another cache stands there now")
            for shard in self._shards:
                path = folder / "shards" / shard["name"]
                signature = _signature(path)
                if signature is None or signature[0] != shard["bytes"] or signature != self._seen[path]:
                    check_shard(folder, shard)
                    self._seen[path] = signature
            self._check_index()
        except CacheError as error:
            raise CacheError(
                f"the cache changed while it was in use: {error}; "
                "once the cache is back as it was, the same command goes on from what was saved"
            ) from error

    def _check_index(self) -> None:
        """Read the index where it looks changed; its hash, where cache.json has none, is that of the first
        look."""
        folder = self._cache.folder
        path = folder / INDEX
        signature = _signature(path)
        if signature is None or signature != self._seen.get(path):
            files = self._cache.description.get("files", {})
            self._index = files.get(INDEX) or self._index or file_sha256(path)
            check_table(folder, INDEX, self._index)
            self._seen[path] = signature


def _signature(path: Path) -> tuple[int, int, int] | None:
    """Size in bytes, inode and time of change of a file, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_ino, found.st_mtime_ns


def damage_table(cache: Cache, damaged: Mapping[int, str]) -> pd.DataFrame:
    """Columns key, shard (file name), offset and length (bytes) and reason of damaged rows, by row."""
    rows = sorted(damaged)
    table = cache.columns("key", "shard", "offset", "length").loc[rows].reset_index(drop=True)
    names = [cache.description["shards"][shard]["name"] for shard in table["shard"]]
    return table.assign(shard=names, reason=[damaged[row] for row in rows])


def refused(cache: Cache, damaged: Mapping[int, str]) -> ValueError:
    """The error of a loader that meets damage and may not leave it out.

    Args:
        cache: that is being read.
        damaged: the reason by row of the cache.
    """
    folder = cache.folder
    return ValueError(
        f"{folder}: damaged: {_listed(cache, damaged)}. `make verify CACHE={typed(folder)}` lists all "
        "damage; delete the cache and preprocess again, or train without such crops: --on-damage skip"
    )


def too_much(cache: Cache, damaged: Mapping[int, str], *, skipped: int, rows: int) -> ValueError:
    """The error of a loader that has left out more than `MAX_SKIPPED`.

    Args:
        cache: that is being read.
        damaged: the reason by row of the cache, of the last that were found.
        skipped: how many rows were left out.
        rows: how many the loader has.
    """
    return ValueError(
        f"{cache.folder}: {skipped} of {rows} crops are damaged, where at most "
        f"{MAX_SKIPPED:.0%} may be left out; the last: {_listed(cache, damaged)}. "
        "Delete the cache and preprocess again"
    )


def _listed(cache: Cache, damaged: Mapping[int, str]) -> str:
    return "; ".join(f"{cache.place_of(row)}: {reason}" for row, reason in damaged.items())


def damaged_among(graph: Graph, rows: IntArray, crops: Sequence[NDArray[np.uint8]]) -> dict[int, str]:
    """Which crops do not decode or are of another size than the cache's, and why.

    DALI itself decodes them again, halves of halves: other decoders forgive other damage.

    Args:
        graph: that takes them.
        rows: [b] of the cache.
        crops: [b] as they are stored.

    Returns:
        The reason, by row.

    Raises:
        RuntimeError: there is no memory to decode even one that announces the right size.
    """
    try:
        wrong = other_sizes(decoded_shapes(graph, crops), graph)
        return {int(rows[place]): reason for place, reason in wrong.items()}
    except RuntimeError as error:
        if half := len(crops) // 2:
            first = damaged_among(graph, rows[:half], crops[:half])
            return first | damaged_among(graph, rows[half:], crops[half:])
        if lacks_memory(error) and _announced(crops[0]) == (graph.source_size, graph.source_size):
            raise  # it is not the crop's fault
        return {int(rows[0]): _reason(crops[0], error)} if "decoders" in str(error) else {}


def _announced(data: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height that an encoded crop's header names; 0 and 0 of one without."""
    try:
        return Image.open(io.BytesIO(data.tobytes())).size
    except Exception:  # Pillow's decoders share no narrower class
        return 0, 0


def _reason(data: NDArray[np.uint8], error: RuntimeError) -> str:
    """Why an encoded crop does not decode: a second decoder's words, which are clearer, else DALI's own."""
    try:
        Image.open(io.BytesIO(data.tobytes())).load()
    except Exception as reason:  # Pillow's decoders share no narrower class
        return first_line(reason).partition(" <_io")[0]
    own = str(error).partition("encountered:")[2].strip().partition("\n")[0]
    return own.removeprefix("Failed to decode sample #0 :").strip(" .") or "DALI does not decode it"


def open_despite_damage(folder: Path) -> tuple[Cache, list[str]]:
    """Open a finished cache even where the content of encoded shards differs from its recorded sha256.

    Crops of them that do not decode, or to another size, can be left out by the loader; other damage that
    decodes cannot be noticed.

    Returns:
        The cache, and the names of the differing shards.

    Raises:
        CacheError: what `Cache.open` raises for any other reason, or for a shard of raw crops, in which no
            damage can be noticed.
    """
    try:
        return Cache.open(folder), []
    except CacheError:
        description = read_description(folder)
        if description["settings"]["codec"] == "raw":
            raise
        differing = [shard["name"] for shard in description["shards"] if _differs(folder, shard)]
        if not differing:
            raise
    check_tables(folder, description)
    return Cache(folder, description), differing


def _differs(folder: Path, shard: Mapping[str, object]) -> bool:
    """Whether a shard of the right size has another content than recorded.

    Raises:
        CacheError: missing, or of another size.
    """
    path = folder / "shards" / str(shard["name"])
    try:
        check_shard(folder, shard)
    except CacheError:
        signature = _signature(path)
        if signature is None or signature[0] != shard["bytes"]:
            raise
        return True
    return False
