"""A folder at an address and its copy in the stage: brought here, worked on, and taken back as it grows.

Files go there in the order in which they were written, so that whoever finds some of them finds a state that
there was here: a shard before the part that makes it count, the description of a cache last.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from faces.files import write_atomically
from faces.remote.address import Address, RemoteError
from faces.remote.stage import BOUND_VARIABLE, alone, bound, in_gb, ledger_of, local_of, shard_path, stage
from faces.remote.store import Store, Stored
from faces.terminal.progress import step_progress

CACHE: Final = "cache.json"
"""What makes a folder a finished cache, whose shards come when they are read (`shards`)."""
_THREADS: Final = 16
"""Files on their way at once; those of runs and photos are small."""
PUSH_SECONDS: Final = 5.0
"""Between two looks for files that were written."""


@dataclass(frozen=True)
class Seen:
    """A file when it was equal here and there."""

    mark: str
    """At the address, see `Stored`."""
    bytes: int
    written: int
    """Here, nanoseconds."""


@dataclass
class Mirror:
    """One folder, or one file, at an address."""

    address: Address
    local: Path
    seen: dict[str, Seen] = field(default_factory=dict)
    """Files by name."""
    taken: set[str] = field(default_factory=set)
    """Files that are at the address and were here since `pull`: those that go away here go away there."""
    lazy: bool = False
    """Whether it is a finished cache, whose shards come when they are read."""

    @property
    def _store(self) -> Store:
        return Store(self.address)

    def pull(self) -> None:
        """Make the copy here what is at the address.

        A file that was changed here and not there since both were equal, as by a killed process, stays and is
        taken there by `push`; where both changed, that at the address counts.

        Raises:
            RemoteError: it cannot be read, or takes more than the stage may hold.
            OSError: it cannot be written here.
        """
        with alone(self.local):
            self.seen = _read_ledger(self.local)
            there = self._store.listed()
            self.lazy = CACHE in there
            if self.lazy:
                there = {name: found for name, found in there.items() if not _is_shard(name)}
            here = _files(self.local)
            wanted = {name: found for name, found in there.items() if self._is_newer(name, found, here)}
            for name in ({*self.seen} & {*here}) - {*there}:
                if self._as_seen(name, here) and not _is_shard(name):  # deleted there
                    self._path(name).unlink(missing_ok=True)
            self.seen = {name: seen for name, seen in self.seen.items() if name in there}
            self._fetch(wanted)
            self.taken = {*there}
            self._write_ledger()

    def _is_newer(self, name: str, found: Stored, here: Mapping[str, tuple[int, int]]) -> bool:
        before = self.seen.get(name)
        return before is None or before.mark != found.mark or name not in here

    def _as_seen(self, name: str, here: Mapping[str, tuple[int, int]]) -> bool:
        seen = self.seen.get(name)
        return seen is not None and here.get(name) == (seen.bytes, seen.written)

    def _path(self, name: str) -> Path:
        return self.local / name if name else self.local

    def _fetch(self, wanted: Mapping[str, Stored]) -> None:
        total = sum(found.bytes for found in wanted.values())
        if total > bound():
            raise RemoteError(
                f"{self.address}: {in_gb(total)} in {len(wanted):,} files are to be brought here, and the "
                f"stage may hold {in_gb(bound())}; set {BOUND_VARIABLE} to that and more, or give a part"
            )
        with ThreadPoolExecutor(_THREADS) as pool, step_progress("files", transient=True) as progress:
            bar = progress.add_task(f"from {self.address}", total=len(wanted))

            def one(name: str) -> None:
                path = self._path(name)
                self._store.fetch(name, path, size=wanted[name].bytes)
                status = path.stat()
                self.seen[name] = Seen(wanted[name].mark, status.st_size, status.st_mtime_ns)
                progress.advance(bar)

            try:
                for done in [pool.submit(one, name) for name in sorted(wanted)]:
                    done.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                self._write_ledger()  # what is here need not come again
                raise

    def push(self, *, ended: bool = False) -> None:
        """Take what was written here to the address, in that order.

        Args:
            ended: the work is done: what it deleted here is deleted there, too.

        Raises:
            RemoteError: it cannot be written there.
        """
        here = _files(self.local)
        changed = [name for name in here if not self._as_seen(name, here)]
        if self.lazy:  # its shards are there, and here for a while at most
            changed = [name for name in changed if not _is_shard(name)]
        for name in sorted(changed, key=lambda name: here[name][1]):
            path = self._path(name)
            try:
                status = path.stat()
                mark = self._store.put(path, name).mark
            except (OSError, RemoteError):
                if path.exists():
                    raise
                continue  # deleted meanwhile, even while it was sent
            self.seen[name] = Seen(mark, status.st_size, status.st_mtime_ns)
            self.taken.add(name)
        if ended and self.local.is_dir():
            for name in sorted(self.taken - {*here}):
                if name and not _is_shard(name):
                    self._store.remove(name)
                    self.seen.pop(name, None)
            self._keep_shards()
        if changed or ended:
            self._write_ledger()

    def _keep_shards(self) -> None:
        """Put the shards of a finished cache, which are at the address now, among those that may be deleted
        for newer ones."""
        if not (self.local / CACHE).is_file():
            return
        described = json.loads((self.local / CACHE).read_bytes())["shards"]
        for shard in described:
            path, place = self.local / "shards" / shard["name"], shard_path(shard["sha256"])
            if path.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                path.replace(place)
                path.unlink(missing_ok=True)  # where both were one file, which replaces nothing

    def _write_ledger(self) -> None:
        path = ledger_of(self.local)
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = {name: [seen.mark, seen.bytes, seen.written] for name, seen in sorted(self.seen.items())}
        write_atomically(path, json.dumps({"address": str(self.address), "files": rows}).encode())


def _is_shard(name: str) -> bool:
    return name.startswith("shards/")


def _read_ledger(local: Path) -> dict[str, Seen]:
    """What was noted; nothing of a ledger that is not there or not whole, and all is brought again."""
    try:
        rows = json.loads(ledger_of(local).read_bytes())["files"]
        return {
            name: Seen(str(mark), int(size), int(written)) for name, (mark, size, written) in rows.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _files(local: Path) -> dict[str, tuple[int, int]]:
    """Size and time of writing of each file of a folder, by its name there; of a file alone by ""."""
    found = {}
    paths = (
        [local] if local.is_file() else [Path(at, name) for at, _, names in os.walk(local) for name in names]
    )
    for path in paths:
        with suppress(OSError):
            if path.suffix != ".tmp" and path.is_file() and not path.is_symlink():
                status = path.stat()
                name = "" if path == local else path.relative_to(local).as_posix()
                found[name] = (status.st_size, status.st_mtime_ns)
    return found


class Pushing:
    """Takes what is written to addresses there, every few seconds, while the work goes on."""

    def __init__(self, mirrors: list[Mirror]) -> None:
        self._mirrors, self._stopped = mirrors, threading.Event()
        self._thread = threading.Thread(target=self._push_until_stopped, daemon=True)
        self._told: set[str] = set()
        self._thread.start()

    def _push_until_stopped(self) -> None:
        while not self._stopped.wait(PUSH_SECONDS):
            for mirror in self._mirrors:
                try:
                    mirror.push()
                except (RemoteError, OSError) as error:
                    if str(error) not in self._told:
                        self._told.add(str(error))
                        print(f"note: {error}; meanwhile it is kept in {mirror.local}", file=sys.stderr)

    def end(self, *, whole: bool) -> None:
        """Take the rest there.

        Args:
            whole: the work ended well.

        Raises:
            RemoteError: it cannot be written there; it is kept here.
        """
        self._stopped.set()
        self._thread.join()
        for mirror in self._mirrors:
            try:
                mirror.push(ended=whole)
            except RemoteError as error:
                raise RemoteError(
                    f"{error}; what is not there yet is kept in the stage ({stage()}), and the same command "
                    "takes it there"
                ) from error


def brought(address: Address) -> Mirror:
    """The copy here of what is at an address, as it is now."""
    mirror = Mirror(address, local_of(address))
    mirror.pull()
    return mirror
