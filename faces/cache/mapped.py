"""The shards of a cache on this machine, mapped into memory."""

from __future__ import annotations

import mmap
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.cache.description import CacheError, again
from faces.failures import lacks_memory
from faces.remote.shards import Mapped


class LocalShards:
    """All shards of a folder, mapped when the first is read: one that is deleted then stays readable.

    `faces.remote.shards.StagedShards` does the same of a cache at an address.

    Args:
        folder: the cache.
        shards: of its description: name, bytes, sha256.
    """

    def __init__(self, folder: Path, shards: Sequence[Mapping[str, Any]]) -> None:
        self._folder, self._shards = folder, shards

    @cached_property
    def _maps(self) -> list[Mapped]:
        maps = []
        for shard in self._shards:
            path = self._folder / "shards" / shard["name"]
            try:
                with path.open("rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:  # it has no bytes
                if lacks_memory(error):
                    raise
                raise CacheError(
                    f"{path}: changed since the cache was opened ({error}); {again(self._folder)}"
                ) from error
            maps.append((mapped, np.frombuffer(mapped, np.uint8)))
        return maps

    def expect(self, numbers: NDArray[np.int64]) -> None:
        """Nothing is to be prepared."""

    def take(self, numbers: NDArray[np.int64]) -> dict[int, Mapped]:
        """Shards that are read now, by number.

        Args:
            numbers: [n] the shard of each row that is read.

        Raises:
            CacheError: one is not there any more.
        """
        return {number: self._maps[number] for number in set(numbers.tolist())}
