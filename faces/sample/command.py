"""`python -m faces.sample --people 60 --seed 0 --data data/sample`: drawn people as a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from faces.command import run_command
from faces.cores import usable_cores
from faces.files import exclusive
from faces.sample.dataset import write_sample


@dataclass(frozen=True, kw_only=True)
class SampleSettings:
    """Draw a sample data set of people with and without masks.

    Example: make sample PEOPLE=240 DATA=data/sample
    """

    data: Path = Path("data/sample")
    """Folder to write. One that holds the same sample, whole or in part, is completed."""
    people: int = 60
    """Number of people, 7 photos each; 60 % become labelled training data, 40 % unseen evaluation data."""
    seed: int = 0
    """Which people: the same seed gives the same bytes in every file."""
    workers: int = field(default_factory=usable_cores)
    """Processes that draw; the result does not depend on it."""

    def __post_init__(self) -> None:
        if not 2 <= self.people <= 999_999:
            raise ValueError(
                f"people={self.people}: must be from 2 (one to train, one to test on) to 999999 (6-digit ids)"
            )
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: must be 0 or more")
        if self.workers < 1:
            raise ValueError(f"workers={self.workers}: must be 1 or more")


def sample(settings: SampleSettings) -> None:
    """Draw the sample, or what is missing of it."""
    with exclusive(settings.data, doing="drawing into it"):
        write_sample(settings.data, people=settings.people, seed=settings.seed, workers=settings.workers)


def main() -> None:
    """The command line."""
    run_command(SampleSettings, sample)
