"""What changed among the photos, or in what is known of them, since a cache was begun: in words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from faces.cache.description import FINISHED, labels_of, read_plan
from faces.cache.tables import read_index, read_rejects
from faces.folds import SPLIT
from faces.labelling.kept import differences
from faces.labels import LabelSet
from faces.storage.documents import DamagedError
from faces.storage.tables import read_table
from preprocess.sources.listing import Listing

NAMES: Final = "names"
"""Entry of a cache's `source`: the hash of the photos' names and order alone. Caches of before have none."""
BESIDE: Final = ("person", SPLIT)
"""What is known of a photo beside its labels."""


def names_fingerprint(listing: Listing) -> str:
    """Hex sha256 that changes with any photo's name and with the order, but with no label."""
    return hashlib.sha256("\n".join(listing.photos.source).encode()).hexdigest()


def check_unchanged(cache: Path, listing: Listing) -> None:
    """Refuse a cache, finished or not, that was begun when photos or labels were others.

    Args:
        cache: its folder; one that holds no cache is let pass, and so is one of other factors or another
            layout, which the writer refuses.
        listing: the photos now.

    Raises:
        ValueError: saying how many photos are new or gone and which labels changed, the first of each, as far
            as the cache tells.
    """
    found = read_plan(cache)
    source = found.get("source", {})
    if source.get("fingerprint") in (None, listing.fingerprint) or source.get("layout") != listing.layout:
        return
    if differences(listing.labels, labels_of(found, cache)):
        return
    before = _photos_of(cache, listing.labels)
    whole = len(before) == source.get("photos")
    changes = _told(before, _numbered(listing.photos), listing.labels, whole)
    if not changes:
        same = source.get(NAMES) == names_fingerprint(listing)
        changes = [f"{'the labels of photos' if same else 'photos'} that were not done yet changed"]
    raise ValueError(
        f"{cache}: since it was begun, {', and '.join(changes)}; give another CACHE beside it, which takes "
        "over the faces (seconds), or delete this one"
    )


def _photos_of(cache: Path, labels: LabelSet) -> pd.DataFrame:
    """What a cache, finished or not, knows of its photos: the columns of a listing, as `_numbered`."""
    if (cache / FINISHED).is_file():
        tables = [read_index(cache), read_rejects(cache, labels)]
    else:
        tables = [*_parts(cache)]
    names = ["position", "source", *labels.names, *BESIDE]
    tables = [table[[name for name in names if name in table]] for table in tables if len(table)]
    if not tables:
        return pd.DataFrame(columns=names)
    # With every face of a photo cropped, the photo has several rows, one after the other.
    return _numbered(pd.concat(tables, ignore_index=True).drop_duplicates("position"))


def _parts(cache: Path) -> Iterator[pd.DataFrame]:
    """The parts of an unfinished cache, but those that are damaged: their shards are done again anyway."""
    for path in sorted((cache / "parts").glob("*.parquet")):
        with suppress(DamagedError):
            yield read_table(path, "").rows


def _numbered(photos: pd.DataFrame) -> pd.DataFrame:
    """Photos in order, called by their names; the faces of one whose places the source gives have numbers."""
    photos = photos.sort_values("position")
    number = photos.groupby("source").cumcount()
    names = photos["source"].where(number == 0, photos["source"] + " (" + (number + 1).astype(str) + ")")
    return photos.set_index(pd.Index(names, name="name"))


def _told(before: pd.DataFrame, now: pd.DataFrame, labels: LabelSet, whole: bool) -> list[str]:
    """Differences in words; without the photos that are new where not all of `before` are known."""
    changes = []
    for names, what in (
        (now.index.difference(before.index, sort=False), "new"),
        (before.index.difference(now.index, sort=False), "gone"),
    ):
        if len(names) and (whole or what == "gone"):
            photos = "photo is" if len(names) == 1 else "photos are"
            changes.append(f"{len(names):,} {photos} {what} (the first {names[0]})")
    both = before.index.intersection(now.index, sort=False)
    before, now = before.loc[both], now.loc[both]
    if not changes and before["position"].tolist() != now["position"].tolist():
        changes.append("the photos come in another order")
    said = []
    touched = np.zeros(len(both), bool)
    for name in [name for name in (*labels.names, *BESIDE) if name in before and name in now]:
        one, other = (_words(table[name], labels).to_numpy() for table in (before, now))
        differing = one != other
        if differing.any():
            at = int(differing.argmax())
            said.append(
                f"{name} of {differing.sum():,}, the first {both[at]}: {one[at]} there, {other[at]} now"
            )
            touched |= differing
    if said:
        photos = f"{touched.sum():,} photo{'s' * int(touched.sum() > 1)}"
        changes.append(f"the labels of {photos} changed ({'; '.join(said)})")
    return changes


def _words(values: pd.Series, labels: LabelSet) -> pd.Series:
    """Labels in words: a factor's, or a name."""
    if values.name not in labels.names:
        return values.fillna("").astype(str)
    factor = labels.factor(str(values.name))
    return values.astype(float).map(factor.say)
