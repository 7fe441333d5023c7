"""Shards of a cache at an address, brought here while they are read: those that come next first."""

from __future__ import annotations

import hashlib
import mmap
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from faces.remote.address import Address, RemoteError
from faces.remote.stage import BOUND_VARIABLE, address_here, bound, in_gb, local_of, make_room, shard_path
from faces.remote.store import Store

Mapped = tuple[mmap.mmap, NDArray[np.uint8]]
"""A shard mapped into memory, and the same as an array."""
_THREADS: Final = 4
"""Shards on the way at once."""
_POLL_SECONDS: Final = 0.5
"""Between two looks whether there is room by now."""


class StagedShards:
    """The shards of one finished cache.

    Nothing is handed out that does not fit the sha256 of the cache's description. Threads of its own bring
    shards in the order in which `expect` says that they are read; one that is asked for comes first.

    Args:
        address: of the cache.
        shards: of its description: name, bytes, sha256.
    """

    def __init__(self, address: Address, shards: Sequence[Mapping[str, Any]]) -> None:
        self._store, self._shards = Store(address), shards
        self._paths = [shard_path(shard["sha256"]) for shard in shards]
        self._most = bound()
        self._all_fit = sum(shard["bytes"] for shard in shards) <= self._most
        self._maps: dict[int, Mapped] = {}
        self._left: NDArray[np.int64] | None = None
        """Rows of each shard that are still to be read, where that was said."""
        self._waiting: deque[int] = deque()
        self._asked: set[int] = set()
        """Shards that somebody waits for now."""
        self._coming: set[int] = set()
        self._failed: BaseException | None = None
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def expect(self, numbers: NDArray[np.int64]) -> None:
        """Say what is read from now on, so that it is on its way before it is asked for.

        Args:
            numbers: [n] the shard of each row, in the order of reading.

        Raises:
            RemoteError: this order needs more at hand at once than the stage may hold.
        """
        some, first = np.unique(numbers, return_index=True)
        last = len(numbers) - 1 - np.unique(numbers[::-1], return_index=True)[1]
        sizes = np.array([self._shards[number]["bytes"] for number in some], np.int64)
        needed = _most_at_once(first, last, sizes)
        if needed > self._most:
            raise RemoteError(
                f"{self._store.address}: this order of reading needs {in_gb(needed)} of shards at hand at "
                f"once (a full shuffle needs all), and the stage may hold {in_gb(self._most)}; set "
                f"{BOUND_VARIABLE} to that and more"
            )
        with self._changed:
            self._left = np.bincount(numbers, minlength=len(self._shards))
            in_order = some[np.argsort(first, kind="stable")].tolist()
            self._waiting = deque(number for number in in_order if number not in self._maps)
            if not self._all_fit:
                self._maps = {number: each for number, each in self._maps.items() if self._left[number]}
            self._changed.notify_all()
        self._start()

    def take(self, numbers: NDArray[np.int64]) -> dict[int, Mapped]:
        """Shards that are read now, as soon as they are here; what holds them stays readable.

        Args:
            numbers: [n] the shard of each row that is read.

        Raises:
            RemoteError: one cannot be brought, or not as it was written.
            OSError: the stage cannot be written.
        """
        some, counts = np.unique(numbers, return_counts=True)
        wanted = some.tolist()
        with self._changed:
            lacking = [number for number in wanted if number not in self._maps]
            self._asked |= {*lacking}
            self._waiting.extendleft(reversed([number for number in lacking if number not in self._coming]))
            self._changed.notify_all()
        if lacking:
            self._start()
        with self._changed:
            self._changed.wait_for(lambda: self._failed or all(number in self._maps for number in wanted))
            if self._failed:
                raise self._failed
            taken = {number: self._maps[number] for number in wanted}
            self._asked -= {*wanted}
            self._count_off(some, counts)
        return taken

    def _count_off(self, some: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Let go of shards of which all is read, where not all can stay."""
        if self._left is None or self._all_fit:
            return
        self._left[some] -= counts
        for number in some[self._left[some] <= 0].tolist():
            self._maps.pop(number, None)
        self._changed.notify_all()

    def _start(self) -> None:
        with self._changed:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            for _ in range(_THREADS - len(self._threads)):
                thread = threading.Thread(target=self._bring_all, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _bring_all(self) -> None:
        """Bring what is expected, to the end; a thread's whole life."""
        while (number := self._next()) is not None:
            try:
                mapped = self._brought(number)
            except BaseException as error:
                with self._changed:
                    self._failed = error
                    self._changed.notify_all()
                return
            with self._changed:
                self._coming.discard(number)
                self._maps[number] = mapped
                self._changed.notify_all()

    def _next(self) -> int | None:
        """The shard to bring next, once there is room for it; None where nothing is to be brought."""
        with self._changed:
            while not self._failed:
                while self._waiting and (self._waiting[0] in self._maps or self._waiting[0] in self._coming):
                    self._waiting.popleft()
                if not self._waiting:
                    return None
                number = self._waiting[0]
                if self._has_room(number):
                    self._coming.add(self._waiting.popleft())
                    return number
                self._changed.wait(_POLL_SECONDS)
            return None

    def _has_room(self, number: int) -> bool:
        """Whether a shard can come; what is not needed any more makes room."""
        if self._paths[number].is_file():
            return True
        coming = sum(
            self._shards[other]["bytes"] for other in self._coming if not self._paths[other].is_file()
        )
        needed = {*self._maps, *self._coming} | self._asked
        size = self._shards[number]["bytes"] + coming
        if make_room(size, self._most, [self._paths[other] for other in needed]):
            return True
        if number not in self._asked:
            return False
        # Who waits for it reads nothing else that would make room: what came ahead, or was read here and
        # there in no order that was told, goes.
        for other in [other for other in self._maps if other not in self._asked]:
            del self._maps[other]
        make_room(size, self._most, [self._paths[other] for other in self._asked | self._coming])
        return True

    def _brought(self, number: int) -> Mapped:
        """A shard, here and compared."""
        shard, path = self._shards[number], self._paths[number]
        # Of a cache that is just being made here, and is not at its address yet.
        made = local_of(self._store.address) / "shards" / shard["name"]
        if made.is_file() and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.link(made, path)
        while True:
            fresh = not path.is_file()
            if fresh:
                name = f"shards/{shard['name']}"
                self._store.fetch(name, path, size=shard["bytes"], sha256=shard["sha256"])
            try:
                with path.open("rb") as file:
                    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except FileNotFoundError:  # deleted for room by another process
                continue
            if fresh or hashlib.sha256(mapped).hexdigest() == shard["sha256"]:
                with suppress(OSError):
                    os.utime(path)
                return mapped, np.frombuffer(mapped, np.uint8)
            path.unlink(missing_ok=True)  # damaged since it came


def _most_at_once(first: NDArray[np.int64], last: NDArray[np.int64], sizes: NDArray[np.int64]) -> int:
    """Most bytes of shards that are begun and not read to their end, over an order of reading."""
    if not len(sizes):
        return 0
    at = np.concatenate([first, last + 1])
    change = np.concatenate([sizes, -sizes])
    order = np.lexsort((change, at))  # what ends at a place makes room before what begins there
    return int(np.cumsum(change[order]).max())


def brought_whole(folder: Path, shards: Sequence[Mapping[str, Any]]) -> None:
    """Bring all shards of a cache and their .idx into its folder in the stage, for what opens them by name;
    of a cache on this machine nothing is done.

    Args:
        folder: the cache.
        shards: of its description.

    Raises:
        RemoteError: as `StagedShards.take`; or they are more than the stage may hold.
    """
    address = address_here(folder)
    if address is None:
        return
    total = sum(shard["bytes"] for shard in shards)
    if total > bound():
        raise RemoteError(
            f"{address}: {in_gb(total)} of shards, and the stage may hold {in_gb(bound())}; set "
            f"{BOUND_VARIABLE} to that and more"
        )
    store, staged = Store(address), StagedShards(address, shards)
    (folder / "shards").mkdir(exist_ok=True)
    for name, found in store.listed().items():
        if name.startswith("shards/") and name.endswith(".idx"):
            store.fetch(name, folder / name, size=found.bytes)
    staged.expect(np.arange(len(shards)))
    for number, shard in enumerate(shards):
        path = folder / "shards" / shard["name"]
        if not path.is_file():
            staged.take(np.array([number]))
            os.link(shard_path(shard["sha256"]), path)
