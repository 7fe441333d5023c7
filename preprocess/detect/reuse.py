"""Faces that were found before: by a run that was stopped, or for another cache of the same photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pandas as pd

from faces.cache.description import FINISHED, CacheError, check_table, read_plan
from faces.cache.tables import INDEX, check_rows, read_index
from faces.cache.writer import DETECTED, REJECTED
from faces.framing.face import GIVEN, TURNS, Face, Turn
from faces.storage.tables import read_table

COLUMNS = [
    *("source_sha256", "position", "face", "status"),
    *("face_box", "landmarks", "score", "faces", "detector", "turned"),
]
FARTHEST: Final = 1_000_000
"""Pixels from a photo's corner beyond which no face lies, whatever the photo."""
_CURE: Final = "they are searched again"
_ODD: Final = "a face as no photo has one at position"


def known_faces(
    cache: Path, decisive: Mapping[str, Any], note: Callable[[str], None]
) -> dict[str, tuple[Face, ...]]:
    """Faces in the caches beside this one that were searched in the same way.

    Not those in itself: which shards are there already would decide how a file that lies among the photos
    twice is searched, and with that the last digits of its boxes.

    Args:
        cache: folder of the cache to write.
        decisive: `PreprocessSettings.face_settings()`; caches of other settings are left alone.
        note: called with a line on each cache that is passed over: one that is damaged, holds no hash of its
            faces, or faces as no photo has. What they hold is found again.

    Returns:
        By the sha256 of a photo's bytes its faces, the one it is about first; none where none was found.
        So a cache with another crop, background or codec takes seconds instead of a new search. Faces whose
        places the source gave are left out: they were not searched, and a photo may have several.
    """
    known: dict[str, tuple[Face, ...]] = {}
    own = cache.resolve()
    for folder in sorted(path for path in own.parent.iterdir() if path.is_dir() and path != own):
        try:
            plan = read_plan(folder)
            if plan.get("settings", {}).items() >= decisive.items():
                for found in [_faces(table) for table in _tables(folder, plan)]:
                    known.update(found)
        except (OSError, ValueError, TypeError, OverflowError) as error:
            reason = str(error).partition("; ")[0]  # its cure is for those who want that cache
            note(f"{folder}: no faces are taken over from it: {reason}; {_CURE}")
    return known


def _tables(folder: Path, plan: Mapping[str, Any]) -> Iterator[pd.DataFrame]:
    if (folder / FINISHED).is_file():
        recorded = plan.get("files", {}).get(INDEX)
        if recorded is None:
            raise CacheError(f"{folder / INDEX}: of a version that kept no hash of it")
        check_table(folder, INDEX, recorded)
        check_rows(folder, plan["samples"])
        yield read_index(folder, COLUMNS)
        return
    for path in sorted((folder / "parts").glob("*.parquet")):
        part = read_table(path, _CURE, COLUMNS)
        if not part.notes:
            raise CacheError(f"{path}: of a version that kept no hash in it")
        yield part.rows


def _faces(table: pd.DataFrame) -> dict[str, tuple[Face, ...]]:
    found: dict[tuple[str, int], list[Face]] = {}
    row: Any
    searched = table[(table.status != REJECTED) & (table.detector != GIVEN)]
    for row in searched.sort_values("face").itertuples(index=False):
        faces = found.setdefault((row.source_sha256, row.position), [])
        if row.status == DETECTED:
            faces.append(_face(row))
    return {sha256: tuple(faces) for (sha256, _), faces in found.items()}


def _face(row: Any) -> Face:
    """The face of a row of an index.

    Raises:
        ValueError: it lies as none does.
    """
    box, landmarks = (np.asarray(values, np.float64) for values in (row.face_box, row.landmarks))
    if box.shape != (4,) or landmarks.shape != (10,):
        raise ValueError(f"{_ODD} {row.position}: {box.size} numbers as box, {landmarks.size} as landmarks")
    if not (np.abs(np.concatenate([box, landmarks])) <= FARTHEST).all():  # nor is NaN
        raise ValueError(f"{_ODD} {row.position}: box {box.tolist()}, landmarks {landmarks.tolist()}")
    if not (box[0] < box[2] and box[1] < box[3] and 0 <= row.score <= 1 and row.turned in TURNS):
        raise ValueError(f"{_ODD} {row.position}: box {box.tolist()}, score {row.score}, turned {row.turned}")
    turned = cast(Turn, int(row.turned))
    return Face(
        tuple(box.tolist()), tuple(landmarks.tolist()), row.score, int(row.faces), str(row.detector), turned
    )
