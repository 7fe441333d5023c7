"""Disks that are full or may only be read, and folders and photos that go while a process works."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.campaign import Campaign, Room, Trial, Verdict
from tests.faults.commands import READING, Command
from tests.faults.outcome import Outcome, refusal
from tests.faults.processes.kills import finish
from tests.faults.processes.surroundings import alone
from tests.faults.world import remove, start

DISKS = (16, 40, 100)
"""KiB of a disk."""
FULL = {
    "plain new": "caches",
    "train new": "new",
    "infer new": "predictions",
    "evaluate new": "predictions",
    "tune again": "predictions/both",
    "join new": "caches",
    "look again": "caches/train",
    "export plain": "exports",
}
"""Folder that lies on a disk of its own, by command."""


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something at a folder; skipped by `can_mount` where that is not allowed."""
    subprocess.run(["mount", *options, str(folder)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


def can_mount(folder: Path) -> bool:
    """Whether this process may mount: root on a machine of its own may."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with mounted(folder, "-t", "tmpfs", "-o", "size=64k", "none"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def disk_trials(campaign: Campaign) -> Iterator[Trial]:
    """Disks that are full or may only be read, and then are as they should be."""
    for name, folder in FULL.items():
        for size in DISKS:
            yield Trial(
                f"process: {name}",
                "disk full",
                name,
                partial(_full, campaign, name, folder, size),
                f"{size} KiB left in {folder}",
            )
        yield Trial(
            f"process: {name}",
            "output may only be read",
            name,
            partial(_read_only, campaign, name, folder),
        )
    for name, folder in (("infer new", "runs"), ("train new", "caches"), ("plain new", "data")):
        yield Trial(
            f"process: {name}",
            "input may only be read",
            name,
            partial(_read_only, campaign, name, folder),
        )


def _full(campaign: Campaign, name: str, folder: str, size: int, room: Room) -> Verdict:
    there = room.copy.folder / folder
    there.mkdir(parents=True, exist_ok=True)
    remove(room.copy.folder, READING[name].without)
    kept = room.copy.streams / "kept"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(there, kept)
    need = sum(path.stat().st_blocks * 512 for path in there.rglob("*") if path.is_file())
    with mounted(there, "-t", "tmpfs", "-o", f"size={need // 1024 + size}k", "none"):
        shutil.copytree(kept, there, dirs_exist_ok=True)
        outcome, why, ended = alone(campaign, name, {}, room)
        if ended.code == 0 or refusal(ended):
            return outcome, why, ended
        options = ["mount", "-o", "remount,size=1g", str(there)]
        subprocess.run(options, check=True, capture_output=True)
        again, why, later = finish(campaign, room, name)
        return (Outcome.REFUSED, "", ended) if again == Outcome.SURVIVED else (again, why, later)


def _read_only(campaign: Campaign, name: str, folder: str, room: Room) -> Verdict:
    there = room.copy.folder / folder
    there.mkdir(parents=True, exist_ok=True)
    remove(room.copy.folder, READING[name].without)
    with mounted(there, "--bind", str(there)):
        options = ["mount", "-o", "remount,ro,bind", str(there)]
        subprocess.run(options, check=True, capture_output=True)
        # Runs that may only be read keep no answers, and answer all the same.
        return finish(campaign, room, name, (f"{folder}/*/predicted/*",))


def vanishing_trials(campaign: Campaign, seed: int) -> Iterator[Trial]:
    """Folders and photos that go, or become others, while a command works."""
    drawn = random.Random(seed)
    cases = (
        ("plain new", "output vanished", "caches/killed"),
        ("plain new", "photos vanished", "data/train/images"),
        ("plain new", "photos replaced", "data/train/images"),
        ("train new", "cache vanished", "caches/train"),
        ("train new", "cache replaced", "caches/train"),
        ("train new", "output vanished", "new"),
        ("infer new", "runs vanished", "runs"),
        ("infer new", "cache vanished", "caches/eval"),
        ("infer new", "output vanished", "predictions"),
        ("evaluate new", "runs vanished", "runs"),
    )
    for name, kind, folder in cases:
        for _ in range(2):
            share = drawn.random()
            yield Trial(
                f"process: {name}",
                kind,
                name,
                partial(_vanish, campaign, name, kind, folder, share),
                f"{folder}, after {share:.0%} of its time",
            )


def _vanish(campaign: Campaign, name: str, kind: str, folder: str, share: float, room: Room) -> Verdict:
    """Whatever the command did when it happened, it ends as it should, or says clearly what is wrong; where
    what went is back, the same command gives what it should."""
    copy = room.copy
    remove(copy.folder, READING[name].without)
    running = start(room.zygote, Command(READING[name].line), copy.folder, copy.streams)
    time.sleep(share * campaign.seconds[name])
    there, aside = copy.folder / folder, copy.streams / "aside"
    shutil.rmtree(aside, ignore_errors=True)
    if there.is_dir():
        there.rename(aside)
    if kind == "cache replaced":
        shutil.copytree(copy.folder / "caches/plain", there)
    elif kind == "photos replaced":
        shutil.copytree(copy.sound / "data/eval/images", there)
    ended = running.wait(120)
    if aside.is_dir() and "output" not in kind:
        shutil.rmtree(there, ignore_errors=True)
        aside.rename(there)
    if ended.code and (complaint := refusal(ended)):
        return Outcome.UNCLEAR, complaint, ended
    told = bool(ended.code) or "warning" in ended.stdout + ended.stderr or "rejected" in ended.stdout
    outcome, why, later = finish(campaign, room, name)
    if outcome == Outcome.WRONG and told:
        return Outcome.REFUSED, "", ended
    return outcome, why, later
