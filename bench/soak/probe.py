"""What a process and all below it hold: memory, handles, threads, temporary files."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
SHARED: Final = Path("/dev/shm")
_FIELDS: Final = {"VmRSS": "resident_mb", "RssAnon": "own_mb", "RssShmem": "own_mb", "Threads": "threads"}
"""Lines of /proc/<pid>/status, and what they count to."""


@dataclass(frozen=True)
class Sample:
    """One look at a tree of processes."""

    seconds: float
    """Since the first look."""
    turn: int
    """Turns that were done by then."""
    processes: float
    resident_mb: float
    """Of all processes; what several have in common counts for each."""
    own_mb: float
    """Of it what is no file's: memory that was asked for, and shared memory."""
    handles: float
    """Open files, pipes and sockets."""
    threads: float
    temporary: float
    """Files in the folder for temporary ones."""
    shared_mb: float
    """In /dev/shm, of all programs of the machine."""
    gpu_mb: float
    """On all GPUs, of all programs of the machine; 0 without one."""


COUNTED: Final = tuple(field.name for field in fields(Sample) if field.name not in ("seconds", "turn"))


def look(root: int, seconds: float, turn: int, temporary: Path) -> Sample:
    """Look at a process and all below it.

    Args:
        root: its number.
        seconds: since the first look.
        turn: turns done.
        temporary: folder of temporary files.
    """
    pids = tree(root)
    counts = dict.fromkeys(("resident_mb", "own_mb", "threads"), 0.0)
    for pid in pids:
        for name, value in _status(pid).items():
            counts[_FIELDS[name]] += value if name == "Threads" else value * 1024 / 1e6
    return Sample(
        seconds=seconds,
        turn=turn,
        processes=len(pids),
        handles=sum(_handles(pid) for pid in pids),
        temporary=sum(1 for path in temporary.rglob("*") if path.is_file()),
        shared_mb=shutil.disk_usage(SHARED).used / 1e6 if SHARED.is_dir() else 0.0,
        gpu_mb=_gpu_mb(),
        **counts,
    )


def tree(root: int) -> list[int]:
    """A process and all below it, as far as they still run."""
    found, left = [], [root]
    while left:
        pid = left.pop()
        try:
            tasks = [*(PROC / str(pid) / "task").iterdir()]
            left += [
                int(child)
                for task in tasks
                for child in (task / "children").read_text(encoding="utf-8").split()
            ]
        except OSError:
            continue
        found.append(pid)
    return found


def _status(pid: int) -> dict[str, float]:
    """The lines of `_FIELDS`: kilobytes, or a number of threads; none of a process that is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    parts = (line.partition(":") for line in lines)
    return {name: float(rest.split()[0]) for name, _, rest in parts if name in _FIELDS}


def _handles(pid: int) -> int:
    try:
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    except OSError:
        return 0


def _gpu_mb() -> float:
    if not (PROC / "driver/nvidia/gpus").is_dir() or not shutil.which("nvidia-smi"):
        return 0.0
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    return sum(float(line) * 2**20 / 1e6 for line in done.stdout.split() if line.isdigit())
