"""Photos that stand under more than one person: the same file, or crops that look alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faces.labels import IntArray

NEAR = 4
"""Largest Hamming distance of two 64-bit perceptual hashes that are taken for one photo.

Measured on crops of 128 pixels of 300 people's photos, faces filling the frame, seven a person, many of whom
share masks: of 2,197,650 pairs of different people 1 is at most 4 apart, 21 are at most 6, 174 at most 8; of
15,742 pairs of other people's photos none is at most 4. Of 144 photos beside a copy at 0.7 times the size and
JPEG quality 60, whose face was searched anew, 56 % are at most 4 apart (67 % at most 6), of 145 beside a copy
trimmed at the edges 45 %; a copy of the crop itself at quality 20 or half size always is. A photo under two
names mostly brings several such pairs, so the strict end is taken. Distances are even, as half of the
bits are always set."""
MOST_PAIRS = 20_000
"""Pairs that are kept, the closest; a folder of film frames has millions."""
_BLOCK = 256
"""Rows that are compared with all others at once: 256 x 20,000 hashes are 41 MB."""


@dataclass(frozen=True)
class Alike:
    """Pairs of crops that look alike."""

    rows: IntArray
    """[pairs, 2] rows, the lower first; the closest pair first, then by row. At most `MOST_PAIRS`."""
    distances: IntArray
    """[pairs] Hamming distances."""
    total: int
    """Number of pairs found, also those that were not kept."""


def owners(crops: pd.DataFrame) -> IntArray:
    """[n] whose photo each is, as a number; a photo of nobody known is its own, all faces on it together."""
    photo = len(crops) + pd.factorize(crops["source"])[0]
    return np.where(crops["person"] != "", pd.factorize(crops["person"])[0], photo)


def alike(hashes: NDArray[np.uint64], owner: IntArray, file: IntArray, *, near: int = NEAR) -> Alike:
    """Pairs of crops whose hashes differ in few bits though owner and file do.

    Args:
        hashes: [n] 64-bit perceptual hashes.
        owner: [n] numbers of the people; pairs of one are left out.
        file: [n] numbers of the files' contents; pairs of one are left out, as they are `same_files`.
        near: largest Hamming distance, in bits.
    """
    rows, distances = np.empty((0, 2), np.int64), np.empty(0, np.int64)
    total = 0
    for start in range(0, len(hashes), _BLOCK):
        block = slice(start, start + _BLOCK)
        apart = np.bitwise_count(hashes[block, None] ^ hashes[None, start:])
        first, second = np.nonzero(apart <= near)
        # Row numbers of the block and of what follows both count from `start`.
        one, other = first + start, second + start
        wanted = (one < other) & (owner[one] != owner[other]) & (file[one] != file[other])
        total += int(wanted.sum())
        rows = np.concatenate([rows, np.stack([one, other], 1)[wanted]])
        distances = np.concatenate([distances, apart[first, second][wanted]])
        order = np.argsort(distances, kind="stable")[:MOST_PAIRS]
        rows, distances = rows[order], distances[order]
    return Alike(rows, distances, total)


def clusters(pairs: Alike) -> list[tuple[int, list[int]]]:
    """Crops joined by pairs, directly or by way of others.

    Returns:
        Of every cluster the distance of its closest pair and its rows, ascending; the closest cluster first,
        then by its lowest row.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs.rows):
        return []
    members, places = np.unique(pairs.rows, return_inverse=True)
    first, second = places.reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(members), len(members)))
    count, component = connected_components(graph, directed=False)
    closest = np.full(count, 64)
    np.minimum.at(closest, component[first], pairs.distances)
    groups = pd.Series(members).groupby(component)
    found = [(int(closest[number]), group.tolist()) for number, group in groups]
    return sorted(found, key=lambda cluster: (cluster[0], cluster[1][0]))


def same_files(crops: pd.DataFrame) -> list[list[int]]:
    """Rows of photos whose files are equal byte for byte though they stand under different people.

    Args:
        crops: with `source_sha256` ("" where not known), `person` and `source`.

    Returns:
        Groups of rows, both ascending.
    """
    hashed = np.flatnonzero(crops["source_sha256"] != "")
    file = crops["source_sha256"].to_numpy()[hashed]
    frame = pd.DataFrame({"row": hashed, "owner": owners(crops)[hashed], "file": file})
    shared = frame[frame.groupby("file")["owner"].transform("nunique") > 1]
    return sorted(rows.tolist() for _, rows in shared.groupby("file")["row"])


def file_numbers(crops: pd.DataFrame) -> IntArray:
    """[n] the contents of the photos' files, as numbers; those not known all differ."""
    unknown = len(crops) + np.arange(len(crops))
    return np.where(crops["source_sha256"] != "", pd.factorize(crops["source_sha256"])[0], unknown)
