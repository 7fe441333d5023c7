"""Faces that were found before: by a run that was stopped, or for another cache of the same photos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from faces.cache.writer import DETECTED, REJECTED
from preprocess.detect.face import GIVEN, Face, Turn

COLUMNS = [
    *("source_sha256", "position", "face", "status"),
    *("face_box", "landmarks", "score", "faces", "detector", "turned"),
]


def known_faces(cache: Path, decisive: Mapping[str, Any]) -> dict[str, tuple[Face, ...]]:
    """Faces in the caches beside this one, and in itself, that were searched in the same way.

    Args:
        cache: folder of the cache to write.
        decisive: `PreprocessSettings.face_settings()`; caches of other settings are left alone.

    Returns:
        By the sha256 of a photo's bytes its faces, the one it is about first; none where none was found.
        So a cache with another crop, background or codec takes seconds instead of a new search. Caches that
        cannot be read are passed over: what they hold is found again. So are faces whose places the source
        gave: they were not searched, and a photo may have several.
    """
    known: dict[str, tuple[Face, ...]] = {}
    for folder in sorted(path for path in cache.resolve().parent.iterdir() if path.is_dir()):
        if _settings(folder).items() >= decisive.items():
            for table in _tables(folder):
                known.update(_faces(table))
    return known


def _settings(folder: Path) -> dict[str, Any]:
    for name in ("cache.json", "unfinished.json"):
        try:
            found = json.loads((folder / name).read_text())
            return dict(found["settings"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return {}


def _tables(folder: Path) -> Iterator[pd.DataFrame]:
    finished = folder / "index.parquet"
    paths = [finished] if finished.is_file() else sorted((folder / "parts").glob("*.parquet"))
    for path in paths:
        try:
            yield pd.read_parquet(path, columns=COLUMNS)
        except (OSError, ValueError, KeyError):
            continue


def _faces(table: pd.DataFrame) -> dict[str, tuple[Face, ...]]:
    found: dict[tuple[str, int], list[Face]] = {}
    row: Any
    searched = table[(table.status != REJECTED) & (table.detector != GIVEN)]
    for row in searched.sort_values("face").itertuples(index=False):
        faces = found.setdefault((row.source_sha256, row.position), [])
        if row.status == DETECTED:
            box, landmarks = (tuple(np.asarray(values).tolist()) for values in (row.face_box, row.landmarks))
            turned = cast(Turn, int(row.turned))
            faces.append(Face(box, landmarks, row.score, int(row.faces), row.detector, turned))
    return {sha256: tuple(faces) for (sha256, _), faces in found.items()}
