"""Processes that are killed, stopped or doubled, then run once more: it must end as if nothing had been."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.faults.campaign import Campaign, Room, Trial, Verdict
from tests.faults.commands import READING, Command
from tests.faults.outcome import BAD, Outcome, Seen, judge, refusal
from tests.faults.world import remove, start
from tests.faults.zygote.client import Ended, Running

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STOPPED = "stopped; the same command goes on from here"
KILLED = {
    "preprocess, 1 worker": "plain new",
    "preprocess, 2 workers": "plain new 2",
    "preprocess with a search": "lend",
    "train": "train new",
    "infer": "infer new",
    "evaluate": "evaluate new",
}
"""What is killed: names of commands."""
WORKERS = 2
"""Processes that preprocess; one more child keeps the books for them."""
MOMENTS = 2
"""Of each command and signal."""


def finish(campaign: Campaign, room: Room, name: str, but: tuple[str, ...] = (), **more: object) -> Verdict:
    """Run a command to its end, and compare with what it does in the sound world, but for some files."""
    command = Command(READING[name].line)  # what was begun stays
    before = room.copy.digests()
    ended = room.copy.run(room.zygote, command, **more)
    seen = Seen(ended, "", before, room.copy.digests(), room.copy.folder)
    return *judge(seen, campaign.references[name].but(but), printed=False), ended


def session_of(pid: int) -> list[int]:
    """Processes that are still there of those that a process began."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if folder.name.isdigit() and int(fields[3]) == pid and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def children(pid: int) -> list[int]:
    """Processes that a process began itself."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def kill_trials(campaign: Campaign, seed: int) -> Iterator[Trial]:
    """Signals at random moments of each stage."""
    drawn = random.Random(seed)
    for where, name in KILLED.items():
        for number in SIGNALS:
            for _ in range(MOMENTS):
                share = drawn.random()
                yield Trial(
                    f"process: {where}",
                    signal.Signals(number).name,
                    name,
                    partial(_kill, campaign, name, number, share),
                    f"after {share:.0%} of its time",
                )


def _kill(campaign: Campaign, name: str, number: int, share: float, room: Room) -> Verdict:
    remove(room.copy.folder, READING[name].without)
    running = start(room.zygote, READING[name], room.copy.folder, room.copy.streams)
    time.sleep(share * campaign.seconds[name])
    running.kill(number, group=number == signal.SIGINT)  # as the terminal does
    ended = running.wait(30)
    if complaint := _last_words(ended, number) or _orphans(running):
        return Outcome.UNCLEAR, complaint, ended
    return finish(campaign, room, name)


def _last_words(ended: Ended, number: int) -> str:
    """What is wrong with how a process took a signal."""
    if ended.code == 0 or (ended.code in (-number, 128 + number) and "Traceback" not in ended.stderr):
        return ""
    if ended.code == 1 and ended.stderr.strip().splitlines()[-1:] == [STOPPED]:
        return "" if "Traceback" not in ended.stderr else "a traceback after a signal"
    return f"exit code {ended.code} after signal {number}"


def _orphans(running: Running, seconds: float = 5) -> str:
    until = time.monotonic() + seconds
    while left := session_of(running.pid):
        if time.monotonic() > until:
            running.kill(signal.SIGKILL, group=True)
            return f"{len(left)} processes outlived it"
        time.sleep(0.05)
    return ""


def worker_trials(campaign: Campaign, seed: int) -> Iterator[Trial]:
    """A worker killed, early and late."""
    drawn = random.Random(seed)
    for _ in range(3):
        share = drawn.uniform(0, 0.5)
        yield Trial(
            "process: preprocess, 2 workers",
            "a worker killed",
            "plain new 2",
            partial(_kill_worker, campaign, share),
            f"after {share:.0%} of its time",
        )


def _kill_worker(campaign: Campaign, share: float, room: Room) -> Verdict:
    name = "plain new 2"
    running = start(room.zygote, READING[name], room.copy.folder, room.copy.streams)
    while len(workers := children(running.pid)) <= WORKERS and not running.ended.is_set():
        time.sleep(0.005)
    time.sleep(share * campaign.seconds[name])
    for worker in workers[-1:]:
        with suppress(ProcessLookupError):  # it has done its work
            os.kill(worker, signal.SIGKILL)
    ended = running.wait(60)
    if ended.code and (complaint := refusal(ended)):
        return Outcome.UNCLEAR, complaint, ended
    return finish(campaign, room, name)


def double_trials(campaign: Campaign) -> Iterator[Trial]:
    """Two processes at once on one output."""
    doubled = ("plain new", "lend", "train new", "train on", "infer new", "evaluate new", "tune again")
    for name in (*doubled, "join new", "resume", "export plain", "select again"):
        for pause in (0.0, 0.3):
            yield Trial(
                "process: two on one output",
                "two at once",
                name,
                partial(_double, campaign, name, pause),
                f"{name} twice, begun {pause:.0%} of its time apart",
            )


def _double(campaign: Campaign, name: str, pause: float, room: Room) -> Verdict:
    remove(room.copy.folder, READING[name].without)
    command = Command(READING[name].line)
    first = start(room.zygote, command, room.copy.folder, room.copy.streams)
    time.sleep(pause * campaign.seconds[name])
    streams = {"stdout": str(room.copy.streams / "out2"), "stderr": str(room.copy.streams / "err2")}
    second = start(room.zygote, command, room.copy.folder, room.copy.streams, **streams)
    both = [running.wait(240) for running in (first, second)]
    for ended in both:
        if ended.code and (complaint := refusal(ended)):
            return Outcome.UNCLEAR, complaint, ended
    if all(ended.code for ended in both):
        return Outcome.UNCLEAR, "each of two refused for the other", both[0]
    outcome, why, ended = finish(campaign, room, name)
    refused = outcome not in BAD and any(ended.code for ended in both)
    return (Outcome.REFUSED if refused else outcome), why, ended
