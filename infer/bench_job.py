"""What every way of predicting is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Turn = Callable[[], int]
"""Predicts the photos once, waits for the device, and returns their number."""
FOLDS = 5


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be predicted, with what."""

    photos: Path
    """Folder of photos."""
    cache: Path
    """Their crops, as JPEG."""
    files: Path
    """Folder of the same crops, a file each."""
    runs: tuple[Path, ...]
    """best.safetensors of `FOLDS` runs of one recipe."""
    device: Literal["cpu", "cuda"]
    """Where networks and searches of faces run."""
    cores: int
    """CPU cores that all threads of the process share, and threads of torch."""
    loader_threads: int
    """Threads of DALI, on the same cores."""
    batch_size: int
    """Photos a batch, where there are batches."""
