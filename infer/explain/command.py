"""`python -m infer.explain`: how much of where heads look is face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faces.cache.reader import Cache
from faces.command import run_command
from infer.ensemble.file import read_ensemble


@dataclass(frozen=True, kw_only=True)
class SharesSettings:
    """Does a head look at the face, or at hair, collar and wall? Grad-CAM on photos of many people, each by
    the network that did not see the person; the share of the map on the face, beside it, below and above; the
    same with the background painted over; and whether the answers stay.

    Example: make face-shares ENSEMBLE=ensembles/quick.toml CACHE=caches/mine
    """

    ensemble: Path
    """Ensemble file (TOML); its recipes are looked at one by one."""
    cache: Path
    """The cache that all its recipes were trained on."""
    runs: Path = Path("runs")
    """Folder of all runs."""
    people: int = 100
    """How many are looked at, one photo of each; 100 take a minute or two for each recipe."""
    out: Path = Path("face_shares.png")
    """Picture to write."""

    def __post_init__(self) -> None:
        if self.people < 1:
            raise ValueError(f"people={self.people}: must be 1 or more")


def run(settings: SharesSettings) -> None:
    """Look, print and draw."""
    ensemble = read_ensemble(settings.ensemble)
    cache = Cache.open(settings.cache)
    # torch takes seconds to import, which neither --help nor a mistake above should wait for.
    from infer.explain.work import face_shares

    face_shares(ensemble, cache, runs=settings.runs, people=settings.people, out=settings.out)


def main() -> None:
    """The command line."""
    run_command(SharesSettings, run)
