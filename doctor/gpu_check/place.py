"""Where a step works, and programs of the project that it runs there."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from doctor.process import ROOT
from faces.cache.reader import Cache
from pipeline.definition import Device


@dataclass(frozen=True, kw_only=True)
class Place:
    """What all steps are told."""

    folder: Path
    """For what they write."""
    device: Literal["cpu", "cuda"]
    """What is checked."""
    people: int
    """Drawn people; 7 photos of each of the 60 % that train."""

    @property
    def dali(self) -> Device:
        """The device, as the loader calls it."""
        return "gpu" if self.device == "cuda" else "cpu"

    @property
    def photos(self) -> Path:
        """Folder of the drawn photos of the people that train."""
        return self.folder / "people" / "train"


def run_module(module: str, *options: object) -> float:
    """Run a command of the project; what it prints goes into the step's log.

    Returns:
        Seconds, imports and all.

    Raises:
        RuntimeError: it failed.
    """
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", module, *map(str, options)], cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"python -m {module} ended with exit code {done.returncode}; its log tells more")
    return time.perf_counter() - start


def drawn_cache(place: Place) -> Cache:
    """The cache of the drawn people that train, faces searched on the CPU; made once."""
    folder = place.folder / "caches" / "drawn"
    if not (folder / "cache.json").is_file():
        run_module("faces.sample", f"--people={place.people}", f"--data={place.photos.parent}")
        shards = ("--shard-size=64", "--device=cpu")
        run_module("preprocess", f"--data={place.photos}", f"--cache={folder}", *shards)
    return Cache.open(folder)
