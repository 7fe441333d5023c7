"""A run that is killed, stopped, doubled or starved of disk loses nothing and changes no byte."""

import errno
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage.data import astronaut

from faces.cache.reader import Cache
from faces.cache.writer import CacheWriter
from faces.files import exclusive
from preprocess.detect.search import Finder
from preprocess.run import preprocess
from preprocess.settings import PreprocessSettings
from tests.helpers.crops import with_index
from tests.helpers.pictures import picture, save
from tests.helpers.stage1 import content, program, small, small_photos

KILLS = 20


def wait_for_parts(running: subprocess.Popen[str], cache: Path, count: int) -> None:
    while running.poll() is None and len([*(cache / "parts").glob("*.parquet")]) < count:
        time.sleep(0.002)


@pytest.mark.slow
def test_a_run_killed_twenty_times_ends_with_the_same_bytes(tmp_path: Path) -> None:
    """Each life is cut at a random moment after its first new shard, the last one runs to its end."""
    data = small_photos(tmp_path / "data", 800)
    (data / "007.png").write_bytes(b"no photo")
    cache, rng = tmp_path / "killed", random.Random(0)
    arguments = ("--data", data, "--size", 16, "--shard-size", 2, "--cache", cache)
    for life in range(KILLS):
        workers = 1 + life % 2
        with subprocess.Popen(program(*arguments, "--workers", workers), text=True) as running:
            wait_for_parts(running, cache, len([*(cache / "parts").glob("*.parquet")]) + 1)
            time.sleep(rng.uniform(0, 0.03))
            running.send_signal(signal.SIGKILL)
        time.sleep(0.1)
    written = len([*(cache / "parts").glob("*.parquet")])
    assert KILLS <= written < 400
    time.sleep(0.3)
    assert len([*(cache / "parts").glob("*.parquet")]) == written, "a worker outlived the run"

    preprocess(small(data, cache, shard_size=2))
    preprocess(small(data, tmp_path / "whole", shard_size=2))
    assert content(cache) == content(tmp_path / "whole")


@pytest.mark.slow
def test_ctrl_c_ends_with_one_line_and_can_be_resumed(tmp_path: Path) -> None:
    data, cache = small_photos(tmp_path / "data", 450), tmp_path / "cache"
    arguments = ("--data", data, "--size", 16, "--shard-size", 3, "--workers", 2, "--cache", cache)
    running = subprocess.Popen(
        program(*arguments),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests were begun in the background, the shell has them ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_for_parts(running, cache, 3)
    os.killpg(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 1
    assert errors.strip() == "stopped; the same command goes on from here"
    assert len(preprocess(small(data, cache, shard_size=3))) == 450


def test_a_full_disk_says_where_and_that_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_photos(tmp_path / "data", 3)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(CacheWriter, "write", full)
        with pytest.raises(OSError, match="No space left"):
            preprocess(small(data, tmp_path / "cache"))
    assert len(preprocess(small(data, tmp_path / "cache"))) == 3


def test_a_disk_that_fills_up_ends_in_one_line(tmp_path: Path) -> None:
    """The kernel's limit on the size of a file stands in for the disk's end."""
    data, cache = small_photos(tmp_path / "data", 60), tmp_path / "cache"
    arguments = ("--data", data, "--size", 64, "--codec", "raw", "--workers", 1, "--cache", cache)
    script = "import resource, signal, sys; from preprocess.command import main; "
    script += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    script += "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)); main()"
    command = [sys.executable, "-c", script, *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ") and "File too large" in ended.stderr
    assert "shards/00000.tar" in ended.stderr and ended.stderr.count("\n") == 1
    assert not [*cache.rglob("*.tmp")]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100_000
    assert len(preprocess(small(data, cache, size=64, codec="raw"))) == 60


def test_a_second_process_on_one_cache_is_refused(tmp_path: Path) -> None:
    data, cache = small_photos(tmp_path / "data", 4), tmp_path / "cache"
    cache.mkdir()
    with exclusive(cache), pytest.raises(ValueError, match=rf"^{cache}: another process is writing it"):
        preprocess(small(data, cache))
    assert len(preprocess(small(data, cache))) == 4


def spoilt(data: Path, count: int, bad: int) -> Path:
    small_photos(data, count)
    for number in range(bad):
        (data / f"{number:03d}.png").write_bytes(b"" if number % 3 else b"no photo")
    return data


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_loses_too_much_stops_and_goes_on_after_the_cure(tmp_path: Path, workers: int) -> None:
    data = spoilt(tmp_path / "data", 40, bad=3)
    settings = small(data, tmp_path / "cache", max_lost=0.05, shard_size=4, workers=workers)
    with pytest.raises(ValueError, match=r"stopped, 3 of 40 photos are rejected already, more than max_lost"):
        preprocess(settings)
    rejects = pd.read_csv(tmp_path / "cache" / "rejects.csv")
    assert {*rejects.source} == {"000.png", "001.png", "002.png"}
    assert {*rejects.reason} == {"no photo but a text file", "empty file"}

    small_photos(data, 40)
    cured = preprocess(settings)
    assert len(cured) == 40 and cured.rejects.empty
    preprocess(small(data, tmp_path / "fresh", shard_size=4))
    assert content(tmp_path / "cache") == content(tmp_path / "fresh")


def test_two_lost_of_forty_are_within_five_per_cent(tmp_path: Path) -> None:
    data = spoilt(tmp_path / "data", 40, bad=2)
    cache = preprocess(small(data, tmp_path / "cache", max_lost=0.05, shard_size=4))
    assert len(cache) == 38 and len(cache.rejects) == 2


def test_rejects_of_an_earlier_run_count(tmp_path: Path) -> None:
    data = spoilt(tmp_path / "data", 40, bad=3)
    with pytest.raises(ValueError, match="2 x empty file"):
        preprocess(small(data, tmp_path / "cache", max_lost=0.05, shard_size=4))
    with pytest.raises(ValueError, match="stopped, 3 of 40"):
        preprocess(small(data, tmp_path / "cache", max_lost=0.05, shard_size=4))
    assert len(preprocess(small(data, tmp_path / "cache", max_lost=0.1, shard_size=4))) == 37


def portraits(data: Path) -> Path:
    for number, x in enumerate((100, 130, 160)):
        save(data / f"face{number}.jpg", astronaut()[20:220, x : x + 160])
    save(data / "blank.png", picture(19, 18))
    return data


def test_faces_are_taken_over_when_only_the_crop_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = portraits(tmp_path / "data")
    before = preprocess(small(data, tmp_path / "caches" / "a"))
    fresh = preprocess(small(data, tmp_path / "elsewhere" / "b", margin=0.5, codec="raw"))
    monkeypatch.setattr(Finder, "first", lambda *_: pytest.fail("searched again"))
    after = preprocess(small(data, tmp_path / "caches" / "b", margin=0.5, codec="raw"))
    names = ["face_box", "landmarks", "score", "faces", "detector", "status"]
    pd.testing.assert_frame_equal(after.index[names], before.index[names])
    assert after.identity == fresh.identity


def test_faces_of_another_search_are_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = portraits(tmp_path / "data")
    preprocess(small(data, tmp_path / "caches" / "a"))
    searched = []
    search = Finder.first

    def counted(self: Finder, photos: list[np.ndarray]) -> object:
        searched.append(len(photos))
        return search(self, photos)

    monkeypatch.setattr(Finder, "first", counted)
    preprocess(small(data, tmp_path / "caches" / "b", min_face=50))
    assert sum(searched) == 4


def test_damage_to_what_a_stopped_run_left_is_named_and_done_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, cache = small_photos(tmp_path / "data", 12), tmp_path / "cache"
    settings = small(data, cache, shard_size=3)
    whole = content(preprocess(small(data, tmp_path / "whole", shard_size=3)).folder)
    stop_after_all_shards(settings)
    tar, idx = cache / "shards" / "00001.tar", cache / "shards" / "00003.idx"
    tar.write_bytes(tar.read_bytes()[::-1])
    idx.unlink()
    (cache / "shards" / "00009.tar").write_bytes(b"a stray one")
    capsys.readouterr()
    preprocess(settings)
    told = capsys.readouterr().out
    assert f"{tar}: edited or damaged" in told and f"{idx}: missing" in told
    assert f"{cache / 'shards' / '00009.tar'}: of no shard of this cache" in told
    (cache / "shards" / "00009.tar").unlink()
    assert content(cache) == whole


def stop_after_all_shards(settings: PreprocessSettings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CacheWriter, "finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            preprocess(settings)


def test_faces_beyond_their_photo_are_searched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A neighbour whose hashes are right says so of one of four; the crops are those of a fresh search."""
    data = portraits(tmp_path / "data")
    before = preprocess(small(data, tmp_path / "caches" / "a"))
    fresh = preprocess(small(data, tmp_path / "elsewhere" / "b", margin=0.5))
    index = before.index.copy()
    row = index.index[index.image_id.str.startswith("face1")][0]
    index.at[row, "face_box"] = np.array([0.0, 0.0, 900_000.0, 900_000.0])
    with_index(before, index)
    searched = []
    search = Finder.first

    def counted(self: Finder, photos: list[np.ndarray]) -> object:
        searched.append(len(photos))
        return search(self, photos)

    monkeypatch.setattr(Finder, "first", counted)
    after = preprocess(small(data, tmp_path / "caches" / "b", margin=0.5))
    assert sum(searched) == 1 and after.identity == fresh.identity


def test_corrections_are_recorded_and_those_of_a_stopped_run_go(tmp_path: Path) -> None:
    data = small_photos(tmp_path / "data" / "a", 4).parent
    small_photos(data / "b", 3)
    (data / "corrections.csv").write_text("path,column,value,why\na/001.png,person,nobody,is nobody\n")
    settings = small(data, tmp_path / "cache")
    stop_after_all_shards(settings)
    first = (tmp_path / "cache" / "corrections.csv").read_bytes()
    cache = preprocess(settings)
    assert cache.description["files"]["corrections.csv"] == hashlib.sha256(first).hexdigest()
    (cache.folder / "corrections.csv").write_bytes(first + b" ")
    with pytest.raises(ValueError, match=r"corrections\.csv: content differs"):
        Cache.open(cache.folder)
