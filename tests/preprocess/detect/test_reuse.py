"""Faces of other caches are taken over where nothing speaks against them, and searched anew elsewhere."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faces.cache.description import file_sha256
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.framing.face import Face
from faces.labels import CONTEST
from faces.storage.documents import read_document, write_document
from faces.storage.tables import read_table
from preprocess.detect.reuse import known_faces

DECISIVE = {"detection_rules": 1, "steps": ["mtcnn"]}
SETTINGS = {"codec": "raw", "size": 16, **DECISIVE}
BOX, LANDMARKS = (1.0, 2.0, 31.5, 42.0), tuple(float(n) for n in range(10))


def sample(position: int) -> Sample:
    fields = {
        "key": f"{position:08d}",
        "position": position,
        "source_sha256": f"{position:064x}",
        "face": 0,
        "face_box": list(BOX),
        "landmarks": list(LANDMARKS),
        "score": 0.875,
        "faces": 2,
        "detector": "mtcnn",
        "turned": 0,
        "status": "detected",
    }
    return Sample(fields=fields, data=bytes(16 * 16 * 3))


def neighbour(folder: Path, *, finished: bool = True) -> Path:
    """A cache of two photos in two shards."""
    writer = CacheWriter(folder, settings=SETTINGS, labels=CONTEST, source={}, shard_count=2)
    writer.write(0, [sample(0)])
    writer.write(1, [sample(1)])
    if finished:
        writer.finish()
    return folder


def found(folder: Path) -> tuple[dict[str, tuple[Face, ...]], list[str]]:
    notes: list[str] = []
    return known_faces(folder / "new", DECISIVE, notes.append), notes


@pytest.mark.parametrize("finished", [True, False])
def test_faces_of_a_sound_neighbour_are_taken_over(tmp_path: Path, finished: bool) -> None:
    neighbour(tmp_path / "a", finished=finished)
    (tmp_path / "no cache").mkdir()
    known, notes = found(tmp_path)
    face = Face(BOX, LANDMARKS, 0.875, 2, "mtcnn", 0)
    assert known == {f"{n:064x}": (face,) for n in range(2)} and notes == []


def edited(folder: Path, recorded: bool) -> None:
    """Boxes 40 pixels off."""
    path = folder / "index.parquet"
    index = pd.read_parquet(path)
    index["face_box"] = index["face_box"] + 40
    index.to_parquet(path, index=False)
    if recorded:
        description = read_document(folder / "cache.json", "")
        description["files"].pop("index.parquet")
        write_document(folder / "cache.json", description)


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "index": (lambda f: edited(f, recorded=False), "index.parquet: content differs from its recorded sha256"),
    "no hash": (lambda f: edited(f, recorded=True), "index.parquet: of a version that kept no hash of it"),
    "no index": (lambda f: (f / "index.parquet").unlink(), "index.parquet: missing"),
    "description": (lambda f: flipped(f / "cache.json"), "cache.json: "),
    "a list": (lambda f: (f / "cache.json").write_text("[]"), "cache.json: holds no table"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_neighbour_lends_nothing_and_is_named_in_one_line(tmp_path: Path, case: str) -> None:
    damage, said = DAMAGE[case]
    damage(neighbour(tmp_path / "a"))
    known, [note] = found(tmp_path)
    assert known == {} and "\n" not in note
    assert note.startswith(f"{tmp_path / 'a'}: no faces are taken over from it: ") and said in note
    assert note.endswith("; they are searched again") and "delete" not in note


@pytest.mark.parametrize("keep_notes", [True, False])
def test_a_damaged_part_of_an_unfinished_neighbour_lends_nothing(tmp_path: Path, keep_notes: bool) -> None:
    path = neighbour(tmp_path / "a", finished=False) / "parts" / "00001.parquet"
    if keep_notes:
        flipped(path)
    else:
        read_table(path, "").rows.to_parquet(path)
    known, [note] = found(tmp_path)
    assert known == {} and "parts/00001.parquet: " in note


@pytest.mark.parametrize(
    "changed",
    [
        {"face_box": [1.0, 2.0, float("nan"), 9.0]},
        {"face_box": [1.0, 2.0, float("inf"), 9.0]},
        {"face_box": [0.0, 0.0, 2e9, 2e9]},
        {"face_box": [9.0, 2.0, 1.0, 9.0]},
        {"face_box": [1.0, 2.0, 3.0]},
        {"face_box": None},
        {"landmarks": [1e30] * 10},
        {"landmarks": [1.0] * 9},
        {"score": float("nan")},
        {"score": 7.0},
        {"turned": 45},
    ],
)
def test_a_face_as_no_photo_has_one_is_searched_again(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Also where the table fits its hash: it was written so."""
    folder = neighbour(tmp_path / "a")
    index = pd.read_parquet(folder / "index.parquet")
    for name, value in changed.items():
        index[name] = [index[name][0], value]
    index.to_parquet(folder / "index.parquet", index=False)
    description = read_document(folder / "cache.json", "")
    description["files"]["index.parquet"] = file_sha256(folder / "index.parquet")
    write_document(folder / "cache.json", description)
    known, [note] = found(tmp_path)
    assert known == {} and "position 1: " in note


def test_a_neighbour_of_before_lends_its_faces(tmp_path: Path) -> None:
    """Its description has no seal, and the hash of the index."""
    folder = neighbour(tmp_path / "a")
    description = read_document(folder / "cache.json", "")
    assert description["files"]["index.parquet"] == file_sha256(folder / "index.parquet")
    (folder / "cache.json").write_text(json.dumps(description))
    known, notes = found(tmp_path)
    assert len(known) == 2 and notes == []


def test_one_damaged_neighbour_does_not_keep_others_from_lending(tmp_path: Path) -> None:
    neighbour(tmp_path / "b")
    shutil.copytree(tmp_path / "b", tmp_path / "a")
    flipped(tmp_path / "a" / "index.parquet")
    known, notes = found(tmp_path)
    assert len(known) == 2 and len(notes) == 1


@pytest.mark.parametrize(
    ("box", "fits"),
    [
        ((0, 0, 10, 10), True),
        ((-20, -5, 30, 45), True),
        ((90, 30, 150, 60), True),
        ((100, 0, 120, 10), False),
        ((-10, 0, 0, 10), False),
        ((0, 40, 10, 60), False),
        ((0, 0, 201, 10), False),
        ((-101, 0, 10, 10), False),
        ((0, 0, 10, 1e6), False),
    ],
)
def test_a_face_fits_its_photo_where_it_shows_and_reaches_not_far_beyond(
    box: tuple[float, float, float, float], fits: bool
) -> None:
    """In a photo 100 pixels wide and 40 high."""
    assert Face(box, tuple(np.zeros(10)), 1.0).fits(40, 100) is fits
