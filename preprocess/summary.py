"""What a run says when it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from rich.console import Console

from faces.cache import Cache
from faces.labels import MASKS
from faces.writer import DETECTED, FALLBACK, REJECTED
from preprocess.budget import top_reasons
from preprocess.sheet import SHEET


@dataclass(frozen=True)
class Work:
    """What one run did."""

    photos: int = 0
    """Photos read."""
    known: int = 0
    """Of them, those whose face was found before."""
    seconds: float = 0
    """By the clock."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds by kind of work, over all workers."""


def summarise(cache: Cache, console: Console, work: Work) -> None:
    """Print what a cache holds, and what it took."""
    counts = json.loads((cache.folder / "cache.json").read_text())["status"]
    total = sum(counts.values())
    detected, fallback, rejected = (counts.get(name, 0) for name in (DETECTED, FALLBACK, REJECTED))
    rate = f" in {work.seconds:.0f} s, {work.photos / work.seconds:.1f} photos/s" if work.photos else ""
    console.print(f"{total} photos{rate}")
    if work.known:
        console.print(
            f"  {work.known:6d} {work.known / total:6.1%}  searched before: their faces are taken over"
        )
    console.print(f"  {detected:6d} {detected / total:6.1%}  with a face{by_mask(cache.index)}")
    for step, count in cache.index.detector[cache.index.status == DETECTED].value_counts().items():
        console.print(f"         {count:6d} by {step}")
    console.print(f"  {fallback:6d} {fallback / total:6.1%}  without: cropped at the centre")
    console.print(f"  {rejected:6d} {rejected / total:6.1%}  rejected, see {cache.folder / 'rejects.csv'}")
    for line in top_reasons(cache.rejects.reason):
        console.print(f"         {line}", markup=False)
    if work.photos:
        spent = ", ".join(f"{what} {seconds / work.photos * 1e3:.1f}" for what, seconds in work.cpu.items())
        console.print(f"CPU ms a photo: {spent}")
    size = sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())
    console.print(f"{cache.folder}: {len(cache)} crops, {size / 1e6:.1f} MB; look at {cache.folder / SHEET}")
    console.print(f"or at everything: make look CACHE={cache.folder}")
    labelled = (cache.index["mask"] >= 0).any()
    step = "train-all RECIPE=recipes/small.toml" if labelled else "infer ENSEMBLE=ensembles/small.toml"
    console.print(f"next: make {step} CACHE={cache.folder}")


def by_mask(index: pd.DataFrame) -> str:
    """Of labelled photos, how many had a face by mask wear: masked faces are what detectors lose."""
    found = index["status"] == DETECTED
    parts = []
    for code, name in enumerate(MASKS):
        mine = found[index["mask"] == code]
        if len(mine):
            parts.append(f"{name} {mine.sum()}/{len(mine)} = {mine.mean():.1%}")
    return f" ({', '.join(parts)})" if parts else ""
