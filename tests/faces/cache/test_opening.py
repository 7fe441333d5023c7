"""How much of a cache is read when it is opened: all of it, some of it each day, or nothing but sizes."""

import errno
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest

from bench.scale.work import write_cache
from faces.cache import opening
from faces.cache.description import CacheError
from faces.cache.mapped import LocalShards
from faces.cache.opening import DAYS, of_the_day
from faces.cache.reader import Cache
from faces.failures import complaint
from preprocess.verify import VerifySettings, verify

SHARDS = 40


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("opening") / "cache"
    write_cache(folder, 2 * SHARDS, SHARDS, lambda _: None)
    return folder


@pytest.fixture
def cache(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "cache"))


def damage(folder: Path, shard: int) -> None:
    """Zeros where the shard's first crop is, so that the shard stays as long as it was."""
    path = folder / f"shards/{shard:05d}.tar"
    data = bytearray(path.read_bytes())
    data[512:1024] = bytes(512)
    path.write_bytes(data)


def on_day(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    monkeypatch.setattr(opening.time, "time", lambda: day * 86_400.0 + 5)


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 1000])
def test_each_shard_has_one_day_in_turn_and_every_day_has_some(count: int) -> None:
    hashes = [f"{number * 7919:064x}" for number in range(count)]
    days = min(DAYS, count)
    for start in (0, 20_000):
        dealt = [of_the_day(hashes, day) for day in range(start, start + days)]
        assert sorted(number for day in dealt for number in day) == [*range(count)]
        assert {len(day) for day in dealt} <= {count // days, -(-count // days)}
        assert of_the_day(hashes, start + days) == dealt[0]


def test_caches_have_their_turns_apart() -> None:
    first = {
        tuple(of_the_day([f"{cache:032x}{number:032x}" for number in range(32)], 0)) for cache in range(20)
    }
    assert len(first) > 5


def test_sampled_finds_damage_on_the_days_of_its_shard_and_says_what_it_read(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = [shard["sha256"] for shard in Cache.open(cache).description["shards"]]
    assert "verify" not in capsys.readouterr().out
    damage(cache, 17)
    found = []
    for day in range(100, 100 + DAYS):
        on_day(monkeypatch, day)
        if 17 in of_the_day(hashes, day):
            with pytest.raises(CacheError, match=r"00017\.tar: content differs"):
                Cache.open(cache, verify="sampled")
            found.append(day)
        else:
            Cache.open(cache, verify="sampled")
    said = " ".join(capsys.readouterr().out.split())
    assert len(found) == 1
    assert f"verify = sampled: 1 of {SHARDS} shards (" in said and f"verify = sampled: 2 of {SHARDS}" in said
    assert "make verify CACHE=" in said


def test_damage_that_was_not_sampled_is_found_where_its_crop_is_decoded_and_by_verify(
    cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hashes = [shard["sha256"] for shard in Cache.open(cache).description["shards"]]
    damage(cache, 3)
    on_day(monkeypatch, next(day for day in range(DAYS) if 3 not in of_the_day(hashes, day)))
    opened = Cache.open(cache, verify="sampled")
    row = int(np.flatnonzero(opened.places[:, 0] == 3)[0])
    with pytest.raises(CacheError, match=r"shard 00003\.tar.*damaged"):
        opened.image(row)
    with pytest.raises((SystemExit, ValueError)):
        verify(VerifySettings(cache=cache))
    assert "00003.tar" in capsys.readouterr().out


def test_sizes_are_looked_at_by_every_choice(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(cache, 5)
    Cache.open(cache, verify="sizes")
    assert "verify = sizes: no shard was compared" in " ".join(capsys.readouterr().out.split())
    with (cache / "shards/00039.tar").open("ab") as file:
        file.write(b"0")
    for choice in ("sizes", "sampled", "full"):
        with pytest.raises(CacheError, match=r"00039\.tar: shard is truncated or grown"):
            Cache.open(cache, verify=choice)


def test_the_first_damaged_shard_is_named_however_many_cores_compare(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "usable_cores", lambda: 8)
    monkeypatch.setattr(opening, "_LONG", 0)
    for shard in (30, 11, 39):
        damage(cache, shard)
    for _ in range(3):
        with pytest.raises(CacheError, match=r"00011\.tar: content differs"):
            Cache.open(cache)


def test_the_variable_chooses_where_nothing_else_does(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damage(cache, 0)
    monkeypatch.setenv(opening.VARIABLE, "sizes")
    assert len(Cache.open(cache)) == 2 * SHARDS
    with pytest.raises(CacheError, match="content differs"):
        Cache.open(cache, verify="full")
    monkeypatch.setenv(opening.VARIABLE, "")
    with pytest.raises(CacheError, match="content differs"):
        Cache.open(cache)
    monkeypatch.setenv(opening.VARIABLE, "sample")
    with pytest.raises(ValueError, match="FACEFOLD_VERIFY=sample: no such choice; did you mean 'sampled'"):
        Cache.open(cache)


def test_more_shards_than_a_shell_lets_open_are_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setattr(opening, "_OTHERS", 500)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, hard))
        opened = Cache.open(cache)
        assert len(opened.encoded(np.arange(len(opened)))) == 2 * SHARDS
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (SHARDS + 500, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_than_the_system_allows_are_refused_with_the_cure(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = tmp_path / "max_map_count"
    maps.write_text("2039\n")
    monkeypatch.setattr(opening, "_MOST_MAPPED", maps)
    with pytest.raises(
        CacheError, match=r"40 shards are too many mapped files.*2,039; .*max_map_count.*larger"
    ):
        Cache.open(cache)
    monkeypatch.setattr(opening.resource, "getrlimit", lambda _: (30, 35))
    with pytest.raises(CacheError, match=r"40 shards are too many open files.*35; .*ulimit -n.*--shard-size"):
        Cache.open(cache)


def test_a_shard_that_no_memory_is_left_to_map_is_not_called_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "00000.tar").write_bytes(b"1")
    monkeypatch.setattr("faces.cache.mapped.mmap.mmap", refuse)
    with pytest.raises(OSError, match="Cannot allocate") as told:
        LocalShards(tmp_path, [{"name": "00000.tar"}]).take(np.zeros(1, np.int64))
    assert complaint(told.value).startswith("out of memory")
    assert complaint(RuntimeError("could not create a primitive")).startswith("out of memory")
