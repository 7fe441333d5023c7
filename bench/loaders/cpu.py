"""CPU time of a process and of everything it started (Linux)."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path


def tree_cpu_seconds() -> float:
    """CPU time so far of this process with all its threads, and of its descendants, living or ended.

    Living descendants count in ticks of the kernel's clock (10 ms); those that ended, once they were waited
    for, in microseconds.
    """
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = sum(_descendant_ticks(_processes(), os.getpid()))
    return time.process_time() + ended.ru_utime + ended.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def _processes() -> dict[int, list[tuple[int, int]]]:
    """By parent: the living processes, and the ticks each and its own ended children have used."""
    children: dict[int, list[tuple[int, int]]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        used = sum(map(int, fields[11:15]))  # user and system time, its own and its ended children's
        children.setdefault(int(fields[1]), []).append((int(entry.name), used))
    return children


def _descendant_ticks(children: dict[int, list[tuple[int, int]]], parent: int) -> list[int]:
    found = []
    for child, used in children.get(parent, []):
        found += [used, *_descendant_ticks(children, child)]
    return found
