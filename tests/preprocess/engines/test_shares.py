"""Shares of one cache, by any number of processes in any order: the bytes of one plain run, once."""

import itertools
import os
import random
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from faces.cache.description import UNFINISHED, CacheError
from faces.cache.reader import Cache
from faces.cache.writer import SHARES, CacheWriter
from faces.files import exclusive, write_once
from faces.labels import CONTEST
from faces.sample.dataset import write_sample
from preprocess.run import preprocess
from preprocess.settings import share_of
from preprocess.share import preprocess_share
from tests.helpers.stage1 import content, program, small, small_photos

COUNT = 40


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_photos(tmp_path_factory.mktemp("shares") / "data", COUNT)
    (folder / "007.png").write_bytes(b"no photo")
    return folder


@pytest.fixture(scope="module")
def whole(data: Path) -> dict[str, bytes]:
    return content(preprocess(small(data, data.parent / "whole" / "cache", shard_size=4)).folder)


def made(data: Path, cache: Path, share: str, **settings: object) -> Cache | None:
    return preprocess_share(small(data, cache, shard_size=4, shard=share, **settings))


def test_shares_are_every_nth_shard_and_together_all() -> None:
    assert share_of("3/4", range(10)) == [3, 7]
    for count in (1, 3, 16):
        shares = [share_of(f"{number}/{count}", range(10)) for number in range(count)]
        assert sorted(itertools.chain(*shares)) == [*range(10)]
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("share", ["16/16", "1", "-1/2", "0/0", "finished", "1/2/3", "1.5/2"])
def test_what_is_no_share_is_refused(tmp_path: Path, share: str) -> None:
    with pytest.raises(ValueError, match=rf"^shard={share}: must be like 3/16, or finish"):
        small(tmp_path / "data", tmp_path / "cache", shard=share)


@pytest.mark.parametrize("count", [1, 3, 13])
def test_shares_in_any_order_are_the_plain_run(
    tmp_path: Path, data: Path, whole: dict[str, bytes], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    order = random.Random(count).sample(range(count), count)
    cache = tmp_path / "cache"
    ends = [made(data, cache, f"{number}/{count}") for number in order]
    # Of more shares than shards the last ones have nothing to do but to see that all is there.
    assert ends[-1] is not None
    assert content(cache) == whole and not (cache / SHARES).exists()
    told = capsys.readouterr().out
    assert f"share {order[-1]}/{count} is done" in told and "all are there" in told
    made(data, cache, f"0/{count}"), made(data, cache, "finish")
    assert content(cache) == whole
    assert "nothing to do" in capsys.readouterr().out


def test_a_plain_run_goes_on_from_shares_and_finish_from_nothing_less(
    tmp_path: Path, data: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    assert made(data, cache, "1/3") is None
    assert "7 of 10 left to other shares" in capsys.readouterr().out
    with pytest.raises(ValueError, match="7 of 10 shards are still to be made, the first 00000; give their"):
        made(data, cache, "finish")
    kept = (cache / "parts" / "00001.parquet").stat().st_mtime_ns
    preprocess(small(data, cache, shard_size=4))
    assert kept and content(cache) == whole


def test_a_share_never_touches_shards_of_others(tmp_path: Path, data: Path, whole: dict[str, bytes]) -> None:
    cache = tmp_path / "cache"
    made(data, cache, "0/2")
    tar = cache / "shards" / "00000.tar"
    tar.write_bytes(b"damaged")
    with pytest.raises(CacheError, match=r"00000\.tar: truncated or grown.*; leave --shard out"):
        made(data, cache, "1/2")
    assert tar.read_bytes() == b"damaged"
    assert made(data, cache, "0/2") is not None
    assert content(cache) == whole


def test_who_holds_what(tmp_path: Path, data: Path) -> None:
    cache = tmp_path / "cache"
    assert made(data, cache, "0/3") is None
    with exclusive(cache, beside=True):
        with pytest.raises(ValueError, match="another process is writing it"):
            preprocess(small(data, cache, shard_size=4))
        with (
            exclusive(cache / SHARES / "1-of-3"),
            pytest.raises(ValueError, match="another process is making share 1/3; wait until that ends, or"),
        ):
            made(data, cache, "1/3")
        assert made(data, cache, "1/3") is None
    with exclusive(cache), pytest.raises(ValueError, match="another process is writing it"):
        made(data, cache, "2/3")


def test_other_settings_or_photos_are_refused_by_each_share(tmp_path: Path, data: Path) -> None:
    cache = tmp_path / "cache"
    made(data, cache, "0/3")
    before = content(cache)
    with pytest.raises(CacheError, match=r"settings\.margin: 0\.25 there, 0\.5 now"):
        made(data, cache, "1/3", margin=0.5)
    with pytest.raises(ValueError, match=r"since it was begun, "):
        made(small_photos(tmp_path / "data", COUNT - 1), cache, "1/3")
    assert content(cache) == before


def test_of_many_that_begin_a_cache_at_once_one_plan_stands(tmp_path: Path) -> None:
    def begin(number: int) -> bool:
        try:
            CacheWriter(
                tmp_path / "cache",
                settings={"codec": "jpeg", "size": 32 + number % 2},
                labels=CONTEST,
                source={"photos": 1},
                shard_count=1,
            )
        except CacheError as error:
            assert "settings.size" in str(error)
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        begun = [*pool.map(begin, range(40))]
    assert {*begun[::2]} ^ {*begun[1::2]} == {True, False}, "one of the two, for all"
    assert [path.name for path in (tmp_path / "cache").glob("*.*")] == [UNFINISHED]


def test_what_is_written_once_stays(tmp_path: Path) -> None:
    for text in (b"first", b"second"):
        write_once(tmp_path / "a", text)
    assert content(tmp_path) == {"a": b"first"}


def test_two_that_finish_at_once(tmp_path: Path, data: Path, whole: dict[str, bytes]) -> None:
    cache = tmp_path / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preprocess.share._finish", lambda *_: None)
        for number in range(2):
            made(data, cache, f"{number}/2")
    with ThreadPoolExecutor(2) as pool:
        ends = [*pool.map(lambda share: made(data, cache, share), ["1/2", "finish"])]
    assert all(ends) and content(cache) == whole


def test_what_all_shares_lose_together_counts(tmp_path: Path, data: Path) -> None:
    cache = tmp_path / "cache"
    ends = [made(data, cache, f"{number}/2", max_lost=0.1) for number in range(1)]
    assert ends == [None]
    with pytest.raises(ValueError, match="stopped, 1 of 40 photos are rejected already"):
        made(data, cache, "1/2", max_lost=0), made(data, cache, "finish", max_lost=0)
    assert made(data, cache, "1/2", max_lost=0.1) is not None


@pytest.mark.slow
def test_an_array_with_kills_has_the_bytes_of_one_run(tmp_path: Path) -> None:
    """Four real processes at a time on drawn people, one of them killed in its work and given again."""
    write_sample(tmp_path / "data", people=10, seed=0, workers=1)
    data = tmp_path / "data" / "train"
    same = ("--data", data, "--shard-size", 3, "--workers", 1)
    subprocess.run(program(*same, "--cache", tmp_path / "w" / "cache"), check=True, capture_output=True)
    shares = [program(*same, "--cache", tmp_path / "a" / "cache", "--shard", f"{n}/4") for n in range(4)]
    running = [subprocess.Popen(each, stdout=subprocess.DEVNULL) for each in shares]
    parts = tmp_path / "a" / "cache" / "parts"
    while running[2].poll() is None and not {*parts.glob("00002.parquet")}:
        time.sleep(0.01)
    os.kill(running[2].pid, signal.SIGKILL)
    assert [each.wait() for each in running] == [0, 0, -signal.SIGKILL, 0]
    assert not (tmp_path / "a" / "cache" / "cache.json").exists()
    again = subprocess.run(shares[2], check=True, capture_output=True, text=True)
    assert "all are there" in again.stdout
    assert content(tmp_path / "a" / "cache") == content(tmp_path / "w" / "cache")
