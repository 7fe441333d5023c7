"""What surrounds a process and fails: streams, memory, the clock."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from functools import partial

from tests.faults.campaign import Campaign, Room, Trial, Verdict
from tests.faults.commands import READING
from tests.faults.outcome import BAD
from tests.faults.processes.kills import finish
from tests.faults.world import remove
from tests.faults.zygote.job import MIB

STREAMS = (("stdout", "closed"), ("stdout", "broken"), ("stderr", "closed"))
TALKING = (
    "verify train",
    "plain new",
    "plain new 2",
    "train new",
    "infer new",
    "evaluate new",
    "score again",
)
TALKING += ("diff again", "tune again", "compare again", "look again", "recipes", "ensembles")
HUNGRY = ("lend", "plain new", "train new", "infer new", "evaluate new", "score again", "verify train")
HEADROOM = (0, 8, 32, 96, 256)
"""MiB of memory that a process gets beside what it has when it begins."""
ABORTED = (-signal.SIGABRT, -signal.SIGSEGV, 127)
"""How C++ and the C library end a process that gets no memory."""
DECADE = 3650 * 86400.0


def stream_trials(campaign: Campaign) -> Iterator[Trial]:
    """Commands whose output nobody takes."""
    for name in TALKING:
        for stream, state in STREAMS:
            yield Trial(
                f"process: {name}",
                f"{stream} {state}",
                name,
                partial(_unheard, campaign, name, {stream: state}),
            )


def memory_trials(campaign: Campaign) -> Iterator[Trial]:
    """Commands with little memory (ulimit -v)."""
    for name in HUNGRY:
        for size in HEADROOM:
            yield Trial(
                f"process: {name}",
                "memory refused",
                name,
                partial(_starved, campaign, name, size),
                f"{size} MiB left",
            )


def clock_trials(campaign: Campaign) -> Iterator[Trial]:
    """Clocks that were turned, and files from the future."""
    for name in ("resume", "train new", "train on", "infer new", "infer again", "evaluate new", "lend"):
        for kind, seconds in (("clock set back", -DECADE), ("clock ahead", DECADE)):
            yield Trial(
                f"process: {name}",
                kind,
                name,
                partial(alone, campaign, name, {"clock": seconds}),
            )
        yield Trial(
            f"process: {name}",
            "files from the future",
            name,
            partial(_future, campaign, name),
        )


def alone(campaign: Campaign, name: str, more: Mapping[str, object], room: Room) -> Verdict:
    """A command that begins anew."""
    remove(room.copy.folder, READING[name].without)
    return finish(campaign, room, name, **more)


def _unheard(campaign: Campaign, name: str, streams: Mapping[str, str], room: Room) -> Verdict:
    """A command that cannot speak. It may end when it notices, as is usual where a reader has gone, but
    without a word and so that the same command goes on."""
    outcome, why, ended = alone(campaign, name, streams, room)
    if ended.code and not ended.stderr and outcome in BAD:
        return finish(campaign, room, name)
    return outcome, why, ended


def _starved(campaign: Campaign, name: str, size: int, room: Room) -> Verdict:
    """A command with little memory. Libraries in C end the process themselves where they get none; then the
    same command must go on."""
    outcome, why, ended = alone(campaign, name, {"limits": {"AS": size * MIB}}, room)
    if ended.code in ABORTED and "Traceback" not in ended.stderr:
        return finish(campaign, room, name)
    return outcome, why, ended


def _future(campaign: Campaign, name: str, room: Room) -> Verdict:
    then = time.time() + DECADE
    for path in room.copy.folder.rglob("*"):
        os.utime(path, (then, then))
    return alone(campaign, name, {}, room)
