"""A run of faults: sound references first, then each fault and the commands that read the file."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from tests.faults.commands import GIVEN, JOURNALS, PROGRAMS, QUOTING, READING, Command, fits, kind_of, met_by
from tests.faults.mutations import Fault, byte_faults, siblings_of
from tests.faults.outcome import BAD, TEXTS, Outcome, Seen, judge
from tests.faults.reference import Reference, SoundRun, reference
from tests.faults.table import Result
from tests.faults.world import Copy, build, digest, remove, written
from tests.faults.zygote.client import Ended, Zygote

T = TypeVar("T")
Verdict = tuple[Outcome, str, Ended]
"""The outcome, why it is bad, and the process that shows it."""
WORKERS = 2
SAID_EVERY = 100
"""Faults between two lines on how far it is."""


@dataclass
class Room:
    """Where one fault at a time is tried."""

    zygote: Zygote
    copy: Copy


@dataclass(frozen=True)
class Trial:
    """Something that befalls a process, not a file."""

    where: str
    """As in the table: which process."""
    kind: str
    command: str
    """Name in `READING`."""
    act: Callable[[Room], Verdict]
    """Do it."""
    what: str = ""
    """Beside the kind, for a person."""

    def result(self, room: Room) -> Result:
        """Do it."""
        outcome, why, ended = self.act(room)
        told = f"{ended.stdout[-300:]}\n{ended.stderr}" if outcome in BAD else ""
        shown = READING[self.command].shown
        return Result(self.where, self.kind, self.what or self.kind, shown, outcome, why, told)


@dataclass
class Campaign:
    """A world, rooms to damage it in, and what commands do to the sound one."""

    folder: Path
    rooms: SimpleQueue[Room] = field(default_factory=SimpleQueue)
    references: dict[str, Reference] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    """As they come."""
    seconds: dict[str, float] = field(default_factory=dict)
    """How long each command takes in the sound world."""

    @property
    def sound(self) -> Path:
        """The folder of the world."""
        return self.folder / "sound"

    def open(self) -> list[str]:
        """Begin the zygotes, make the world and its copies; what took how long."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(WORKERS) as pool:
            zygotes = [*pool.map(lambda _: Zygote(), range(WORKERS))]
        lines = build(zygotes[0], self.sound, self.folder)
        for number, zygote in enumerate(zygotes):
            at = self.folder / f"room{number}"
            self.rooms.put(Room(zygote, Copy(self.sound, at / "world", at)))
        return lines

    @property
    def bad(self) -> int:
        """How many have ended badly so far."""
        return sum(result.outcome in BAD for result in self.results)

    def close(self) -> None:
        """End the zygotes."""
        while not self.rooms.empty():
            self.rooms.get().zygote.close()

    @contextmanager
    def room(self) -> Iterator[Room]:
        """A room that is free, with a sound world in it."""
        room = self.rooms.get()
        try:
            room.copy.restore()
            yield room
        finally:
            room.copy.restore()
            self.rooms.put(room)

    def learn(self, names: Iterable[str]) -> None:
        """What commands do in the sound world."""
        with ThreadPoolExecutor(WORKERS) as pool:
            for _ in pool.map(self._learn, sorted({*names})):
                pass

    def _learn(self, name: str) -> None:
        with self.room() as room:
            command = READING[name]
            first, second = (self._sound_run(name, command, room) for _ in range(2))
            self.references[name] = reference(first, second)

    def _sound_run(self, name: str, command: Command, room: Room) -> SoundRun:
        copy = room.copy
        copy.restore()
        remove(copy.folder, command.without)
        before = copy.signatures()
        began = time.monotonic()
        ended = copy.run(room.zygote, command)
        self.seconds[name] = time.monotonic() - began
        if ended.code:
            raise RuntimeError(f"{command.shown}: {ended.code} in the sound world\n{ended.stderr}")
        after, digests = copy.signatures(), copy.digests()
        wrote = {path: digests[path] for path in after if after[path] != before.get(path)}
        texts = {
            path: (copy.folder / path).read_text(errors="replace")
            for path in wrote
            if path.endswith(TEXTS) and not fits(path, JOURNALS)
        }
        return SoundRun(ended, wrote, frozenset(before) - frozenset(after), texts)

    def _meet(self, fault: Fault, name: str, room: Room) -> Result:
        command, copy = READING[name], room.copy
        copy.restore()
        fault.apply(copy.folder)
        remove(copy.folder, command.without)
        before = copy.digests()
        ended = copy.run(room.zygote, command)
        seen = Seen(
            ended,
            fault.path,
            before,
            copy.digests(),
            copy.folder,
            copy.sound_digests,
            verifies=name.startswith("verify"),
            given=fits(fault.path, GIVEN),
            maybe_valid=fault.maybe_valid,
        )
        sound = self.references[name]
        outcome, why = judge(seen, sound.but(QUOTING) if fault.forged else sound, printed=not fault.forged)
        told = f"{ended.stdout[-300:]}\n{ended.stderr}" if outcome in BAD else ""
        return Result(fault.path, fault.kind, fault.what, command.shown, outcome, why, told)

    def run(self, faults: Sequence[Fault], most: int) -> None:
        """Try faults, each with so many of the commands that read the file."""
        pairs = [(fault, met_by(fault.path, fault.what, most)) for fault in faults]
        self.learn({name for _, names in pairs for name in names} - {*self.references})
        self._all(lambda pair, room: (self._meet(pair[0], name, room) for name in pair[1]), pairs)

    def try_all(self, trials: Sequence[Trial]) -> None:
        """Try what befalls processes."""
        self.learn({trial.command for trial in trials} - {*self.references})
        self._all(lambda trial, room: [trial.result(room)], trials)

    def _all(self, work: Callable[[T, Room], Iterable[Result]], tasks: Sequence[T]) -> None:
        def do(task: T) -> None:
            with self.room() as room:
                self.results.extend(work(task, room))

        with ThreadPoolExecutor(WORKERS) as pool:
            for number, _ in enumerate(pool.map(do, tasks), 1):
                if not number % SAID_EVERY:
                    print(f"{number} of {len(tasks)} faults, {self.bad} ended badly", flush=True)


def file_faults(world: Path, seed: int) -> list[Fault]:
    """Damage to every file that a stage wrote."""
    paths = [path for path in written(world) if not fits(path, PROGRAMS)]
    contents = {path: digest(world / path) for path in paths}
    seen: set[str] = set()
    faults: list[Fault] = []
    for path in paths:
        # Of many of a kind the first one meets everything.
        first = kind_of(path) not in seen
        faults += byte_faults(world, path, siblings_of(path, contents), all_kinds=first, seed=seed)
        seen.add(kind_of(path))
    return faults


def limited(faults: Iterable[Fault], most: int, seed: int) -> list[Fault]:
    """At most so many for each kind of file, drawn; caches of all names are one kind here."""
    of_kind: dict[str, list[Fault]] = {}
    for fault in faults:
        of_kind.setdefault(re.sub("^caches/[a-z]+/", "caches/*/", kind_of(fault.path)), []).append(fault)
    return [fault for group in of_kind.values() for fault in shuffled(group, seed)[:most]]


def shuffled(faults: Sequence[T], seed: int) -> list[T]:
    """In an order in which long commands do not come together."""
    return random.Random(seed).sample([*faults], len(faults))
