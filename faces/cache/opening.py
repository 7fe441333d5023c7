"""Which shards of a cache are compared with their hashes as it is opened; comparing them side by side."""

from __future__ import annotations

import hashlib
import os
import resource
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

from faces.cache.description import CacheError, check_shard, check_size
from faces.command import nearest, typed
from faces.cores import usable_cores
from faces.terminal.output import print_notes
from faces.terminal.progress import track

Verify = Literal["full", "sampled", "sizes"]
"""What is read of the shards when a cache is opened.
full: all of every shard.
sampled: all of one shard in `DAYS`, others each day, so that in so many days each was read once.
sizes: nothing; whether they are there and as long as recorded is looked at always.
"""
VARIABLE: Final = "FACEFOLD_VERIFY"
DAYS: Final = 32
_LONG: Final = 2 * 10**9
"""Bytes whose hashing takes a second or more, so that it is worth a bar."""
_SECONDS_A_DAY: Final = 86_400
_OTHERS: Final = 2_000
"""Files and mappings of a process beside the shards: libraries, threads and pipes take some hundreds."""
_MOST_MAPPED: Final = Path("/proc/sys/vm/max_map_count")


def chosen(given: Verify | None) -> Verify:
    """What is asked for, else what the environment variable says, else full.

    Raises:
        ValueError: the variable holds another word.
    """
    if given is not None:
        return given
    word = os.environ.get(VARIABLE) or "full"
    words = get_args(Verify)
    if word not in words:
        raise ValueError(f"{VARIABLE}={word}: no such choice; {nearest(word, words)}")
    return next(each for each in words if each == word)


def of_the_day(hashes: Sequence[str], day: int) -> list[int]:
    """Numbers of the shards that `sampled` reads on a day, ascending: a pure function of its arguments.

    The shards are dealt, in the order of their hashes, to as many days as there are shards, at most `DAYS`.
    Which day comes first depends on the hashes of all, so caches of a folder have their turns apart.

    Args:
        hashes: hex sha256 of every shard as the cache's description records it.
        day: number of the day.
    """
    days = min(DAYS, len(hashes))
    first = int(hashlib.sha256("".join(hashes).encode()).hexdigest(), 16)
    dealt = sorted(range(len(hashes)), key=lambda number: (hashes[number], number))
    return sorted(dealt[(first + day) % days :: days])


def allow_files(folder: Path, count: int) -> None:
    """Let this process keep so many shards open and mapped: a shell's usual limit is 1,024 files, which the
    shards of half a million photos are beyond.

    Raises:
        CacheError: the system does not allow that many; nothing has been read by then.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    if soft != endless and soft < count + _OTHERS:
        if hard != endless and hard < count + _OTHERS:
            raise CacheError(
                _beyond(folder, count, f"open files, of which this system allows {hard:,}", "ulimit -n")
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + _OTHERS, hard))
    try:
        most = int(_MOST_MAPPED.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if most < count + _OTHERS:
        raise CacheError(
            _beyond(
                folder,
                count,
                f"mapped files, of which this system allows {most:,}",
                "sysctl vm.max_map_count",
            )
        )


def _beyond(folder: Path, count: int, what: str, cure: str) -> str:
    return (
        f"{folder}: {count:,} shards are too many {what}; raise that (`{cure}`), or preprocess into larger "
        "shards (--shard-size)"
    )


def compare_shards(folder: Path, shards: Sequence[Mapping[str, Any]], verify: Verify) -> None:
    """Compare the size of every shard with the one recorded, and the hashes of those that `verify` says, on
    all cores. Where not all are read, a line says which.

    Args:
        folder: the cache.
        shards: of its description: name, bytes and sha256.
        verify: what is read.

    Raises:
        CacheError: one is missing or different; the first such.
    """
    for shard in shards:
        check_size(folder, shard)
    if verify == "full":
        read = [*shards]
    else:
        today = int(time.time()) // _SECONDS_A_DAY
        numbers = of_the_day([shard["sha256"] for shard in shards], today) if verify == "sampled" else []
        read = [shards[number] for number in numbers]
        print_notes([_said(folder, shards, read, verify)])
    with ThreadPoolExecutor(usable_cores(), thread_name_prefix="hash") as pool:
        compared = pool.map(partial(check_shard, folder), read)
        long = sum(shard["bytes"] for shard in read) > _LONG
        shown = track(read, "comparing shards", "shards", transient=True) if long else read
        for _ in zip(shown, compared, strict=True):
            pass


def _said(
    folder: Path, shards: Sequence[Mapping[str, Any]], read: Sequence[Mapping[str, Any]], verify: Verify
) -> str:
    if verify == "sizes":
        what = f"no shard was compared with its hash, only the sizes of all {len(shards):,}"
    else:
        share = sum(shard["bytes"] for shard in read) / sum(shard["bytes"] for shard in shards)
        what = (
            f"{len(read):,} of {len(shards):,} shards ({share:.1%} of the bytes) were compared with their "
            f"hashes, others each day, and the sizes of all"
        )
    return f"{folder}: verify = {verify}: {what}; `make verify CACHE={typed(folder)}` compares everything"
