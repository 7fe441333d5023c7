"""Whole runs over every kind of bad or odd file: each is used with the right pixels, or is one row of
rejects.csv, and the other photos' crops are those of a run without it."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.cache.tables import NO_PHOTO
from preprocess.faults import find_faults
from preprocess.run import preprocess
from preprocess.sources.scan import scan
from tests.helpers.pictures import save
from tests.helpers.stage1 import small, small_photos
from tests.preprocess.odd_files import (
    LEFT_OUT,
    LOST,
    NO_FILES,
    NO_ROWS,
    PICTURE,
    TOOL_FOLDERS,
    USED,
    bomb,
    file_of,
)

GOOD = 6


def write_all(data: Path) -> None:
    """Good photos, and one file of every kind."""
    small_photos(data, GOOD)
    for name, (contents, *_) in {**USED, **LOST}.items():
        (data / file_of(name)).write_bytes(contents())
    for file, (content, _) in LEFT_OUT.items():
        (data / file).write_bytes(content)
    for folder in TOOL_FOLDERS:
        save(data / folder / "inner" / "000-checkpoint.png", PICTURE)
        (data / folder / "state").touch()
    for name, (make, _) in NO_FILES.items():
        make(data / f"{name}.jpg")
    for name, make_any in NO_ROWS.items():
        make_any(data / f"{name}.jpg")
    for name, (_, pixels, _) in USED.items():
        save(data / f"twin of {name}.png", pixels)


def crops(cache: Cache) -> dict[str, np.ndarray]:
    data = cache.encoded(np.arange(len(cache)))
    return {name: np.array(crop) for name, crop in zip(cache.index.image_id, data, strict=True)}


def escaped(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    folder = tmp_path_factory.mktemp("bad files")
    write_all(folder / "data")
    return preprocess(small(folder / "data", folder / "cache", codec="raw", shard_size=8))


def test_every_photo_is_a_crop_or_a_reject_once(mixed: Cache) -> None:
    used = [file_of(name) for name in USED] + [f"twin of {name}.png" for name in USED]
    used += [f"{number:03d}.png" for number in range(GOOD)]
    assert sorted(mixed.index.source) == sorted(map(escaped, used))
    lost = [file_of(name) for name in (*LOST, *NO_FILES)]
    assert sorted(mixed.rejects.source) == sorted(map(escaped, lost))
    assert len(mixed.index) + len(mixed.rejects) == len(used) + len(lost)


@pytest.mark.parametrize("name", USED)
def test_an_odd_file_is_used_with_its_pixels(mixed: Cache, name: str) -> None:
    """Its crop is that of a plain PNG of the same pixels."""
    found = crops(mixed)
    crop, twin = found[escaped(file_of(name))].astype(int), found[escaped(f"twin of {name}.png")].astype(int)
    assert np.abs(crop - twin).mean() <= USED[name][2]
    assert twin.std() > 30, "a blank crop would prove nothing"


@pytest.mark.parametrize("name", LOST)
def test_a_bad_file_is_a_reject_with_its_reason_and_hash(mixed: Cache, name: str) -> None:
    contents, reason = LOST[name]
    [reject] = mixed.rejects[mixed.rejects.source == escaped(file_of(name))].itertuples()
    assert reject.source_sha256 == hashlib.sha256(contents()).hexdigest()
    assert re.search(reason, reject.reason)


@pytest.mark.parametrize("name", NO_FILES)
def test_what_is_no_file_is_a_reject_that_was_never_opened(mixed: Cache, name: str) -> None:
    [reject] = mixed.rejects[mixed.rejects.source == f"{name}.jpg"].itertuples()
    assert reject.reason.startswith(NO_FILES[name][1])
    assert not isinstance(reject.source_sha256, str) or reject.source_sha256 == ""


def test_what_is_no_photo_is_listed_and_counts_nowhere(mixed: Cache) -> None:
    table = pd.read_csv(mixed.folder / "rejects.csv")
    others = table[table.position == NO_PHOTO].set_index("source")
    reasons = {name: f"left out: {what}" for name, (_, what) in LEFT_OUT.items()}
    reasons |= dict.fromkeys(TOOL_FOLDERS, "left out: a hidden folder or a tool's, with 1 photo")
    assert others.reason.to_dict() == reasons
    assert others.source_bytes["README.txt"] == len("hello")
    assert len(table) == len(others) + len(mixed.rejects)
    assert sum(mixed.description["status"].values()) == len(mixed) + len(mixed.rejects)
    assert [*find_faults(mixed.folder)] == []


def test_what_is_left_out_is_counted_by_kind_and_costs_no_budget(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 2)
    for name in ("a.txt", "b.txt", "c.txt", "d.mov"):
        (data / name).write_bytes(LEFT_OUT["movie.mov" if name == "d.mov" else "README.txt"][0])
    (data / "labels.toml").write_text('glasses = ["yes", "no"]\n')
    for number in range(3):
        save(data / ".Trash-0" / f"{number}.png", PICTURE)
    notes = scan(data).notes
    assert "left out: 3 photos in 1 folder, hidden or a tool's: .Trash-0 (3)" in notes
    assert "left out, since no photos: 3 text files (a.txt, b.txt and 1 more), 1 video (d.mov)" in notes
    cache = preprocess(small(data, tmp_path / "cache", max_lost=0))
    assert len(cache) == 2 and len(cache.rejects) == 0
    assert [*find_faults(cache.folder)] == []


def test_a_folder_may_be_called_as_it_likes_where_it_is_given_itself(tmp_path: Path) -> None:
    small_photos(tmp_path / ".hidden", 2)
    assert [*scan(tmp_path / ".hidden").photos.source] == ["000.png", "001.png"]
    with pytest.raises(ValueError, match=r"no photos in it; left out: 2 photos in 1 folder.*\.hidden \(2\)"):
        scan(tmp_path)


def test_every_row_of_the_document_is_tried_here() -> None:
    """And every kind of file that is tried here stands there."""
    text = (Path(__file__).parents[2] / "docs" / "preprocess.md").read_text()
    table = text.split("## What is accepted")[1].split("\n## ")[0]
    rows = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")]
    there = {name.strip() for row in rows[1:] for name in row.split(", ")}
    tried = {re.sub(r" ?[\udcfe\udcff]", "", name) for name in (*USED, *LOST, *NO_FILES, *NO_ROWS, *LEFT_OUT)}
    elsewhere = {"unreadable file"}
    assert there == tried | {*TOOL_FOLDERS} | elsewhere


def test_all_other_crops_are_those_of_a_run_without_bad_files(mixed: Cache, tmp_path: Path) -> None:
    small_photos(tmp_path / "data", GOOD)
    alone = crops(preprocess(small(tmp_path / "data", tmp_path / "cache", codec="raw")))
    among = crops(mixed)
    assert len(alone) == GOOD
    for name, crop in alone.items():
        np.testing.assert_array_equal(among[name], crop)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file; run as another user")
def test_a_file_that_may_not_be_read_is_a_reject(tmp_path: Path) -> None:
    small_photos(tmp_path / "data", 2)
    (tmp_path / "data" / "000.png").chmod(0)
    cache = preprocess(small(tmp_path / "data", tmp_path / "cache"))
    assert [*cache.rejects.source] == ["000.png"]
    assert [*cache.rejects.reason] == ["unreadable: Permission denied"]


def test_a_damaged_photo_may_be_repaired_and_is_then_taken(tmp_path: Path) -> None:
    """A run that lost too many photos goes on after the cure."""
    data = small_photos(tmp_path / "data", 4)
    whole = (data / "001.png").read_bytes()
    (data / "001.png").write_bytes(whole[:50])
    with pytest.raises(ValueError, match=r"max_lost=0.*"):
        preprocess(small(data, tmp_path / "cache", max_lost=0))
    (data / "001.png").write_bytes(whole)
    cache = preprocess(small(data, tmp_path / "cache", max_lost=0))
    assert len(cache) == 4 and not len(cache.rejects)


MEASURED = """
import resource, sys
from pathlib import Path
from tests.helpers.stage1 import small
from preprocess.run import preprocess
cache = preprocess(small(Path(sys.argv[1]), Path(sys.argv[2])))
print(len(cache), len(cache.rejects), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_memory(data: Path, cache: Path) -> tuple[int, int, int]:
    """Crops, rejects and the most memory in MB that a run in a process of its own took."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", MEASURED, str(data), str(cache)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": root}
    )
    used, lost, kilobytes = map(int, run.stdout.splitlines()[-1].split())
    return used, lost, kilobytes // 1024


def test_bombs_take_no_memory(tmp_path: Path) -> None:
    """Decoded, one of them takes 400 MB or more."""
    plain, bombs = small_photos(tmp_path / "plain", 4), small_photos(tmp_path / "bombs", 4)
    data = bomb()
    for number in range(20):
        (bombs / f"bomb{number}.png").write_bytes(data)
    before = peak_memory(plain, tmp_path / "cache of plain")
    after = peak_memory(bombs, tmp_path / "cache of bombs")
    assert before[:2] == (4, 0) and after[:2] == (4, 20)
    assert after[2] - before[2] < 100


def test_a_table_among_photos_without_labels_is_pointed_at(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data", 2)
    (data / "notes.txt").write_text("none")
    (data / "my labels.csv").write_text("file,mask\n")
    [note] = [each for each in scan(data).notes if "is a table" in each]
    assert note.endswith(f"give --data '{data / 'my labels.csv'}'") and note.startswith(
        "my labels.csv is a table"
    )
    for name in ("wear", "normal"):  # folders that are labels
        save(tmp_path / "told" / name / "0.png", PICTURE)
    (tmp_path / "told" / "labels.csv").write_text("file,mask\n")
    assert not [each for each in scan(tmp_path / "told").notes if "is a table" in each]
