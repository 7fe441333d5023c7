"""Where things are kept: folders of caches and runs, and memory that processes share."""

from __future__ import annotations

import fcntl
import mmap
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from doctor.finding import Finding
from faces.failures import what_failed
from faces.files import write_atomically

LEAST_FREE: Final = 2 * 2**30
"""Bytes: a cache of 100,000 faces as JPEG takes about as much."""
LEAST_SHARED: Final = 16 * 2**20
"""Bytes: what worker processes wait on lies there, and what several GPUs hand to each other."""


def shared_memory() -> Finding:
    """Memory that processes share."""
    cure = "give more: docker run --shm-size=1g, or mount -o remount,size=1g /dev/shm"
    try:
        multiprocessing.get_context("spawn").Event()  # as workers of stage 1 wait on
        free = shutil.disk_usage("/dev/shm").free
    except OSError as error:
        return Finding(words=f"/dev/shm: {what_failed(error)}", cure=cure)
    words = f"/dev/shm has {free / 2**20:,.0f} MiB free"
    return Finding(words=words, cure=cure if free < LEAST_SHARED else "")


def folders(paths: Sequence[Path]) -> Finding:
    """What caches and runs ask of the file systems that they will lie on: room, maps, renames, locks."""
    told: dict[str, str] = {}
    for path in paths:
        there = next(each for each in (path.absolute(), *path.absolute().parents) if each.is_dir())
        kind = kind_of(there)
        try:
            locks = "" if try_folder(there) else ", which cannot be locked"
            free = shutil.disk_usage(there).free
        except OSError as error:
            cure = f"let this user write to {there}, or keep {path} on a local disk"
            return Finding(words=f"{path} on {kind}: {error.strerror or error}", cure=cure)
        if free < LEAST_FREE:
            words = f"{path} on {kind} has {free / 2**30:.1f} GiB free"
            return Finding(words=words, cure="make room, or keep caches and runs on another disk")
        told[str(path)] = f"on {kind}, {free / 2**30:,.0f} GiB free{locks}"
    alike = {words: [name for name, each in told.items() if each == words] for words in told.values()}
    return Finding(words="; ".join(f"{' and '.join(names)} {words}" for words, names in alike.items()))


def try_folder(folder: Path) -> bool:
    """Write, replace and map a file in a folder and lock one, and leave nothing behind.

    Returns:
        Whether folders can be locked there.

    Raises:
        OSError: it cannot be written, replaced or mapped there.
    """
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as place:
        file = Path(place, "file")
        for content in (b"before", b"after!"):
            write_atomically(file, content)
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            if mapped[:] != b"after!":
                raise OSError("a file that was replaced still reads as before")
        handle = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(handle)
    return True


def kind_of(folder: Path) -> str:
    """The kind of file system that a folder lies on, such as ext4 or nfs."""
    best, kind = "", "a file system"
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines():
        _, place, found, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if folder.resolve().is_relative_to(place) and len(place) >= len(best):
            best, kind = place, found
    return kind
