"""What the steps run on, for the head of their table."""

from __future__ import annotations

import platform
from importlib import metadata

import torch
from nvidia.dali import __version__ as dali_version

from bench.measure import describe_machine
from doctor.card import capability, driver
from doctor.card import memory as free_memory
from doctor.finding import Finding
from doctor.gpu_check.place import Place


def machine(place: Place) -> Finding:
    """Card, driver and versions."""
    versions = f"torch {torch.__version__}, DALI {dali_version}, timm {metadata.version('timm')}"
    words = f"{describe_machine()}; Python {platform.python_version()}, {versions}"
    if place.device == "cpu":
        return Finding(words=words)
    fits, free = capability(), free_memory()
    words += f"; driver {driver()}; {fits.words}; {free.words}"
    return Finding(words=words, cure="; ".join(filter(None, (fits.cure, free.cure))))
