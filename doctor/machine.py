"""The machine without its GPU: Python, packages, cores, memory, names of files."""

from __future__ import annotations

import locale
import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Final

from doctor.finding import Finding
from doctor.lock import LOCK, differing, locked
from faces.cores import usable_cores

LEAST_PYTHON: Final = (3, 11)
LEAST_MEMORY: Final = 2 * 2**30
"""Bytes: one process with torch and DALI takes more than one half (`fp32 CPU` of this command tells)."""
_CGROUP_MEMORY: Final = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of a container, by the versions of control groups."""
_MOST_NAMED: Final = 4


def python() -> Finding:
    """Version and machine."""
    words = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < LEAST_PYTHON:
        return Finding(words=words, cure="Python 3.11 or newer is needed: make setup PYTHON=python3.12")
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return Finding(words=words, cure="the packages are locked for Linux on x86-64: use such a machine")
    return Finding(words=words)


def packages() -> Finding:
    """Versions against the lock."""
    wanted = locked(LOCK)
    wrong = differing(wanted)
    if wrong:
        told = ", ".join(
            f"{name} {found or 'missing'}, not {need}" for name, found, need in wrong[:_MOST_NAMED]
        )
        more = f" and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        return Finding(words=f"{told}{more}", cure=f"make setup, which installs what {LOCK.name} lists")
    named = [("torch", "torch"), ("DALI", "nvidia-dali-cuda130"), ("timm", "timm")]
    told = ", ".join(f"{name} {metadata.version(package)}" for name, package in named if package in wanted)
    return Finding(words=f"{len(wanted)} as {LOCK.name} lists them: {told}")


def cores() -> Finding:
    """Cores that this process may use."""
    return Finding(
        words=f"{usable_cores()} of the machine's {os.cpu_count()} may be used (affinity and control group)"
    )


def memory() -> Finding:
    """Memory that is free for this process."""
    free = free_memory()
    words = f"{free / 2**30:.1f} GiB free"
    if free < LEAST_MEMORY:
        return Finding(words=words, cure="end other programs, or give the container more memory")
    return Finding(words=words)


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and within its control group."""
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    free = [int(fields["MemAvailable"].split()[0]) * 1024]
    for limit, used in _CGROUP_MEMORY:
        try:
            free.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
        except (OSError, ValueError):  # no such file, or `max`
            continue
    return max(0, min(free))


def names() -> Finding:
    """How names of files are read."""
    encoding = sys.getfilesystemencoding()
    words = f"names of files are read in {encoding}; locale {locale.setlocale(locale.LC_CTYPE)}"
    cure = "" if encoding == "utf-8" else "set PYTHONUTF8=1, or a locale such as LANG=C.UTF-8"
    return Finding(words=words, cure=cure)
