"""Which GPUs the machine has, and whether torch can compute on them: that is not the same."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch

DRIVERS = {"12": "525", "13": "580"}
"""The oldest driver by the major version of CUDA; torch brings CUDA, the machine brings the driver.
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html, table 1."""
_DRIVER = Path("/sys/module/nvidia/version")
_LONGEST = 30
"""Seconds that `nvidia-smi` may take; on a broken driver it may never return."""


class Gpu(NamedTuple):
    """A GPU as its driver names it."""

    name: str
    memory: int
    """Bytes."""
    driver: str
    """Its version, such as "580.65.06"; empty where only torch sees the GPU."""


@cache
def installed_gpus() -> tuple[Gpu, ...]:
    """The machine's GPUs, usable or not: those of `nvidia-smi`, or where it is missing those of torch."""
    return listed_gpus() or (() if usable_gpu() else _seen_by_torch())


@cache
def listed_gpus() -> tuple[Gpu, ...]:
    """What `nvidia-smi` lists: a process of its own, so that this one takes nothing of the GPU."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, encoding="utf-8", check=True, timeout=_LONGEST)
        rows = [[cell.strip() for cell in line.rsplit(",", 2)] for line in done.stdout.splitlines()]
        return tuple(Gpu(name, int(mib) * 2**20, driver) for name, mib, driver in rows)
    except (OSError, ValueError, subprocess.SubprocessError):
        return ()


def _seen_by_torch() -> tuple[Gpu, ...]:
    seen = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
    return tuple(Gpu(each.name, each.total_memory, driver_version()) for each in seen)


def driver_version() -> str:
    """The version of NVIDIA's driver, such as "580.65.06"; empty where none is found."""
    try:
        return _DRIVER.read_text(encoding="utf-8").strip()
    except OSError:
        return listed_gpus()[0].driver if listed_gpus() else ""


@cache
def usable_gpu() -> str:
    """Empty where a tensor can be made on the GPU of this process, else one line: what is wrong, and a cure.

    `torch.cuda.is_available()` may count GPUs without asking whether their driver serves torch's CUDA, so a
    tensor is tried. Under torchrun each process tries a GPU of its own, for it keeps memory there.
    """
    try:
        number = min(int(os.environ.get("LOCAL_RANK", "0")), max(0, torch.cuda.device_count() - 1))
        torch.ones(1, device=f"cuda:{number}").add(1).item()
    except (RuntimeError, AssertionError) as error:
        return _what_is_wrong(str(error).strip().partition("\n")[0])
    return ""


def _what_is_wrong(error: str) -> str:
    """In words: torch without CUDA, no driver, one too old for torch's CUDA, or what torch says."""
    cuda = torch.version.cuda
    if cuda is None:
        return (
            f"torch {torch.__version__} has no CUDA in it; `make setup` brings one that has, or use the CPU"
        )
    oldest = DRIVERS.get(cuda.partition(".")[0], "")
    needed = f"torch {torch.__version__} needs driver {oldest or f'of CUDA {cuda}'} or newer"
    found = driver_version()
    if not found:
        return f"no NVIDIA driver here, and {needed}; install it, give a container its GPUs, or use the CPU"
    if "no kernel image" in error:
        served = ", ".join(torch.cuda.get_arch_list())
        return f"torch {torch.__version__} has no code for this GPU, only for {served}; use the CPU"
    if oldest and int(found.partition(".")[0]) < int(oldest):
        return f"the NVIDIA driver is {found}, and {needed}; install a newer driver, or use the CPU"
    return f"NVIDIA driver {found} ({needed}): {error}; look at `nvidia-smi`, or use the CPU"
