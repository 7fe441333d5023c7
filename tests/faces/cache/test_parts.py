"""An unfinished cache goes on from what is as it was written, and writes the rest again."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from faces.storage.tables import read_table, write_table
from tests.faces.cache.test_cache import SETTINGS, content, photo

COUNT = 4


def begin(folder: Path, shards: tuple[int, ...] = (), *, photos: int = 20) -> CacheWriter:
    """Four shards of 5 photos, one of them rejected; those named are written."""
    source = {"folder": "photos", "photos": photos}
    writer = CacheWriter(folder, settings=SETTINGS, labels=CONTEST, source=source, shard_count=COUNT)
    for shard in shards:
        writer.write(shard, [photo(p, rejected=p == 7) for p in range(5 * shard, 5 * shard + 5)])
    return writer


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def unsealed(path: Path) -> None:
    pd.read_parquet(path).to_parquet(path, index=False)


def swap(folder: Path) -> None:
    """Shards 1 and 2, with all that belongs to them."""
    for one in [*folder.rglob("00001.*")]:
        two = one.with_stem("00002")
        aside = one.rename(one.with_stem("aside"))
        two.rename(one)
        aside.rename(two)


def of_another_cache(folder: Path) -> None:
    begin(folder.parent / "other", (1,), photos=21)
    for path in [*(folder.parent / "other").rglob("00001.*")]:
        shutil.copy(path, folder / path.relative_to(folder.parent / "other"))


DAMAGE: dict[str, tuple[Callable[[Path], object], list[int], str]] = {
    "tar flipped": (lambda f: flip(f / "shards/00001.tar"), [1], "shards/00001.tar: edited or damaged"),
    "idx flipped": (lambda f: flip(f / "shards/00001.idx"), [1], "shards/00001.idx: edited or damaged"),
    "part flipped": (
        lambda f: flip(f / "parts/00001.parquet"),
        [1],
        "parts/00001.parquet: edited or damaged",
    ),
    "tar empty": (lambda f: (f / "shards/00001.tar").write_bytes(b""), [1], "truncated or grown to 0 bytes"),
    "tar gone": (lambda f: (f / "shards/00001.tar").unlink(), [1], "shards/00001.tar: missing"),
    "idx gone": (lambda f: (f / "shards/00001.idx").unlink(), [1], "shards/00001.idx: missing"),
    "part empty": (lambda f: (f / "parts/00001.parquet").write_bytes(b""), [1], "parts/00001.parquet: empty"),
    "of before": (
        lambda f: unsealed(f / "parts/00001.parquet"),
        [1],
        "of a version that kept no hashes in it",
    ),
    "swapped": (swap, [1, 2], "parts/00002.parquet: the part of another cache or shard"),
    "foreign": (of_another_cache, [1], "parts/00001.parquet: the part of another cache or shard"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_shard_is_named_and_written_again_to_the_same_bytes(tmp_path: Path, case: str) -> None:
    damage, again, said = DAMAGE[case]
    begin(tmp_path / "whole", (0, 1, 2, 3)).finish()
    folder = tmp_path / "cache"
    begin(folder, (0, 1, 2))
    damage(folder)
    writer = begin(folder)
    told = writer.parts.resume()
    assert len(told) == len(again) and said in told[-1] and all("written again" in line for line in told)
    assert writer.pending() == [*again, 3]
    assert begin(folder, (*again, 3)).parts.resume() == []
    begin(folder).finish()
    assert content(folder) == content(tmp_path / "whole")


def test_a_stray_shard_is_named_and_never_taken_over(tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole", (0, 1, 2, 3)).finish()
    begin(tmp_path / "cache", (0, 1, 2, 3))
    for name in ("shards/00000.tar", "parts/00000.parquet"):
        path = tmp_path / "cache" / name
        shutil.copy(path, path.with_stem("00007"))
    shutil.copy(path, path.with_stem("\x1b[2J"))
    writer = begin(tmp_path / "cache")
    told = writer.parts.resume()
    assert [line.partition(": ")[0].rpartition("/")[2] for line in told] == [
        "00007.tar",
        "\x1b[2J.parquet",
        "00007.parquet",
    ]
    assert writer.finish().description == whole.description
    assert (tmp_path / "cache" / "shards" / "00007.tar").is_file(), "not ours to delete"
    assert not (tmp_path / "cache" / "parts").exists()


def test_a_shard_that_changes_before_the_end_is_not_described(tmp_path: Path) -> None:
    writer = begin(tmp_path / "cache", (0, 1, 2, 3))
    flip(tmp_path / "cache" / "shards" / "00002.tar")
    with pytest.raises(
        CacheError, match=r"00002\.tar: edited or damaged.*; the same command writes it again"
    ):
        writer.finish()
    assert not (tmp_path / "cache" / "cache.json").exists() and writer.pending() == [2]
    assert len(begin(tmp_path / "cache", (2,)).finish()) == 19


def test_what_finishing_returns_is_what_opening_gives(tmp_path: Path) -> None:
    finished = begin(tmp_path, (0, 1, 2, 3)).finish()
    opened = Cache.open(tmp_path)
    assert opened.description == finished.description
    assert {*finished.description["files"]} == {"index.parquet", "rejects.csv"}


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.drop(columns="person"),
        lambda rows: rows.drop(columns="status"),
        lambda rows: rows.drop(columns="shard"),
        lambda rows: rows.assign(offset=rows["offset"].astype(str)),
        lambda rows: rows.assign(key=rows["key"].iloc[::-1].to_numpy()),
        lambda rows: rows.assign(length=-7),
        lambda rows: rows.iloc[1:],
        lambda rows: rows.iloc[:0],
        lambda rows: pd.concat([rows, rows.iloc[:1]]),
        lambda rows: rows.assign(age=10**15),
        lambda rows: rows.drop(columns="landmarks"),
        lambda rows: rows.drop(columns="codec"),
        lambda rows: rows.assign(codec="png"),
    ],
)
def test_a_part_that_was_changed_and_sealed_anew_is_written_again(
    tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    whole = begin(tmp_path / "whole", (0, 1, 2, 3)).finish().folder
    writer = begin(tmp_path / "cache", (0, 1))
    part = writer.parts.path(0)
    found = read_table(part, "")
    write_table(part, change(found.rows), found.notes)
    [line] = writer.parts.resume()
    assert line.startswith(f"{part}: ") and line.endswith("; written again")
    assert writer.pending() == [0, 2, 3]
    assert content(begin(tmp_path / "cache", (0, 2, 3)).finish().folder) == content(whole)
