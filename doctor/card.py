"""The GPU: is there one, does its driver serve torch, how much of its memory is free?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import torch

from doctor.finding import Finding
from train.engine.gpu import installed_gpus, usable_gpu

LEAST_FREE: Final = 2 * 2**30
"""Bytes."""
_NVIDIA: Final = "0x10de"
_DISPLAY: Final = "0x03"
"""How the classes of graphics cards begin, on the PCI bus."""


def gpu() -> Finding:
    """Whether there is a GPU and a tensor can be made on it."""
    wrong = usable_gpu()
    if wrong and os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return Finding(words="no GPU: CUDA_VISIBLE_DEVICES hides it; everything runs on the CPU")
    if wrong and not any(signs()):
        return Finding(words="no GPU: everything runs on the CPU")
    if wrong:
        words, _, cure = wrong.rpartition("; ")
        return Finding(words=words, cure=f'{cure} (make doctor ARGS="--device cpu")')
    names = [each.name for each in installed_gpus()]
    return Finding(words=f"{' and '.join(names)}, driver {driver()}; a tensor was made on it", gpu=True)


def driver() -> str:
    """Version of the driver."""
    return next((each.driver for each in installed_gpus() if each.driver), "of unknown version")


def signs(root: Path = Path("/")) -> Iterator[str]:
    """What shows that there is a GPU of NVIDIA's, used or not.

    Args:
        root: of the file system.
    """
    yield from (each.name for each in installed_gpus())
    yield from map(str, sorted((root / "dev").glob("nvidia[0-9]*")))
    for card in sorted((root / "sys/bus/pci/devices").glob("*")):
        try:
            maker, kind = ((card / name).read_text(encoding="utf-8") for name in ("vendor", "class"))
        except OSError:
            continue
        if maker.strip() == _NVIDIA and kind.startswith(_DISPLAY):
            yield str(card)


def capability() -> Finding:
    """Whether torch was built for this card."""
    major, minor = torch.cuda.get_device_capability()
    built = [each.removeprefix("sm_") for each in torch.cuda.get_arch_list() if each.startswith("sm_")]
    words = f"compute capability {major}.{minor}; torch is built for {', '.join(map(_dotted, built))}"
    # Programs for 8.0 run on 8.6, not the other way round, nor on 9.0.
    if any(each[:-1] == str(major) and int(each[-1]) <= minor for each in built if each.isdigit()):
        return Finding(words=words, gpu=True)
    return Finding(words=words, cure='use another card, or the CPU (make doctor ARGS="--device cpu")')


def _dotted(number: str) -> str:
    return f"{number[:-1]}.{number[-1]}" if number.isdigit() else number


def memory() -> Finding:
    """Memory of the card that is free."""
    free, whole = torch.cuda.mem_get_info()
    words = f"{free / 2**30:.1f} of {whole / 2**30:.1f} GiB free on the GPU"
    if free < LEAST_FREE:
        return Finding(words=words, cure="end what holds the rest (nvidia-smi lists it)")
    return Finding(words=words)
