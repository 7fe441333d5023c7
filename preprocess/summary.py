"""How many photos a run may lose, and what it prints when it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from faces.cache.reader import Cache
from faces.cache.writer import DETECTED, FALLBACK, REJECTED, reject_columns
from faces.command import typed
from faces.files import write_atomically
from faces.framing.face import AS_IS
from faces.labels import LabelSet
from faces.storage.cells import csv_bytes
from preprocess.look.framing import described, framing_of, proposal, warnings
from preprocess.look.rates import said, value_rates
from preprocess.look.sheet import SHEET
from preprocess.next_step import next_lines
from preprocess.sources.listing import counted
from preprocess.twins import twin_lines


class Budget:
    """Counts rejects, and stops a run that loses too many photos to be trusted.

    Args:
        folder: of the unfinished cache.
        photos: in the whole data set.
        share: of them that may be rejected, 0 to 1.
        lost: fields of the rejects of earlier runs.
        labels: the factors of the photos.
    """

    def __init__(
        self, folder: Path, photos: int, share: float, lost: list[Mapping[str, Any]], labels: LabelSet
    ) -> None:
        self._folder = folder
        self._labels = labels
        self._photos = photos
        self._share = share
        self._lost = list(lost)

    def spend(self, rejects: list[Mapping[str, Any]]) -> None:
        """Count some more rejects.

        Raises:
            ValueError: more than the share of all photos are lost: with 200 photos and 0.05, at the eleventh.
                rejects.csv then lists those so far, and the message the commonest reasons.
        """
        self._lost += rejects
        if not rejects or len(self._lost) <= self._share * self._photos:
            return
        table = pd.DataFrame(self._lost).reindex(columns=reject_columns(self._labels)).sort_values("position")
        write_atomically(self._folder / "rejects.csv", csv_bytes(table))
        raise ValueError(
            f"{self._folder}: stopped, {len(self._lost)} of {self._photos} photos are rejected already, more "
            f"than max_lost={self._share:g} allows: {'; '.join(top_reasons(table.reason))}. "
            f"{self._folder / 'rejects.csv'} lists them; repair them, or allow more with --max-lost, and the "
            "same command goes on from here"
        )


def top_reasons(reasons: pd.Series) -> list[str]:
    """The three commonest reasons of rejects, each with an example where its photos differ."""
    kinds = reasons.str.split(":").str[0]
    lines = []
    for kind, count in kinds.value_counts().head(3).items():
        example = reasons[kinds == kind].iloc[0][:100]
        alone = count == 1 or example == kind
        lines.append(f"{count} x {example}" if alone else f"{count} x {kind}, as {example!r}")
    return lines


@dataclass(frozen=True)
class Work:
    """What one run did."""

    photos: int = 0
    """Photos read."""
    known: int = 0
    """Those among them whose face was found before."""
    seconds: float = 0
    """Seconds by the clock."""
    cpu: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds by kind of work, over all workers."""


def summarise(cache: Cache, console: Console, work: Work, data: Path) -> None:
    """Print what a cache of the photos in `data` holds, and what it took."""
    counts = cache.description["status"]
    first = cache.index[~(cache.index["face"] > 0)] if "face" in cache.index else cache.index
    further = len(cache) - len(first)
    total = sum(counts.values()) - further
    detected, fallback, rejected = (counts.get(name, 0) for name in (DETECTED, FALLBACK, REJECTED))
    detected -= further
    rate = f" in {work.seconds:.0f} s, {work.photos / work.seconds:.1f} photos/s" if work.photos else ""
    console.print(f"{counted(total, 'photo')}{rate}")
    if work.known:
        console.print(
            f"  {work.known:6d} {work.known / total:6.1%}  searched before: their faces are taken over"
        )
    steps = first.detector[first.status == DETECTED].value_counts()
    if [*steps.index] == [AS_IS]:
        console.print(f"  {detected:6d} {detected / total:6.1%}  taken as they are, without a search")
    else:
        console.print(f"  {detected:6d} {detected / total:6.1%}  with a face{by_value(cache)}")
        for step, count in steps.items():
            console.print(f"         {count:6d} by {step}")
    if further:
        console.print(f"  {further:6d} further faces of these photos{_unlabelled(cache)}")
    console.print(f"  {fallback:6d} {fallback / total:6.1%}  without: cropped at the centre")
    console.print(f"  {rejected:6d} {rejected / total:6.1%}  rejected, see {cache.folder / 'rejects.csv'}")
    for line in top_reasons(cache.rejects.reason):
        console.print(f"         {line}", markup=False)
    if work.photos:
        spent = ", ".join(f"{what} {seconds / work.photos * 1e3:.1f}" for what, seconds in work.cpu.items())
        console.print(f"CPU ms a photo: {spent}")
    size = sum(path.stat().st_size for path in cache.folder.rglob("*") if path.is_file())
    console.print(
        f"{cache.folder}: {counted(len(cache), 'crop')}, {size / 1e6:.1f} MB; look at {cache.folder / SHEET}"
    )
    console.print(f"or at everything: make look CACHE={typed(cache.folder)}")
    for line in [*_framing(cache, data), *twin_lines(cache.index, cache.label_set), *next_lines(cache)]:
        console.print(line, markup=False)


def _framing(cache: Cache, data: Path) -> list[str]:
    """How the crops frame the face, what a network could learn of that, and what to do about it."""
    framing = framing_of(cache.index, cache.photos(), cache.label_set, cache.description["settings"])
    lines = described(framing)
    for text in warnings(framing):
        warning, _, cure = text.partition(" Cure: ")
        lines += [f"warning: {warning}", f"  cure: {cure}"]
    if proposed := proposal(framing):
        beside = typed(f"{cache.folder}-as-is")
        again = f'make preprocess DATA={typed(data)} CACHE={beside} ARGS="--faces as_is"'
        lines += [f"{proposed}:", f"  {again}"]
    return lines


def _unlabelled(cache: Cache) -> str:
    """Whose the labels of photos with several faces are, where there are any."""
    codes = cache.label_set.encode(cache.photos())
    if not any((each >= 0).any() for each in codes.values()):
        return ""
    cure = "to label each face, give boxes of Pascal VOC (docs/layouts.md)"
    return f", without labels: a photo's are those of its first face; {cure}"


def by_value(cache: Cache) -> str:
    """How many labelled photos had a face, by the values of the first labelled factor that differs among one
    person's photos: masked faces, say, are what detectors lose."""
    rates = value_rates(cache.index["status"] == DETECTED, cache.photos(), cache.label_set)
    factor = next((name for name, each in rates.items() if each), "")
    return said(factor, rates[factor], cache.label_set) if factor else ""
