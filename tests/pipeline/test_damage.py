"""Caches that are damaged or change while they are read: what is named, what is left out, what stays."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.storage.documents import write_document
from pipeline.damage import open_despite_damage
from pipeline.engine import Engine
from tests.helpers.crops import COUNT, collect, loader, training, with_index, write_cache

DAMAGED = 21


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "whole", "jpeg")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "damaged", "jpeg", {DAMAGED})


def without(batches: list[tuple[torch.Tensor, torch.Tensor]], lost: Collection[int]) -> list:
    """The batches as they are without some rows."""
    kept = [(images, rows, ~torch.isin(rows, torch.tensor([*lost]))) for images, rows in batches]
    return [(images[keep], rows[keep]) for images, rows, keep in kept if keep.any()]


def assert_same(found: list, expected: list) -> None:
    assert len(found) == len(expected)
    for (images, rows), (expected_images, expected_rows) in zip(found, expected, strict=True):
        assert torch.equal(rows, expected_rows) and torch.equal(images, expected_images)


def test_a_damaged_crop_is_named_with_key_shard_and_cure_and_the_loader_recovers(damaged: Cache) -> None:
    place = damaged.index.loc[DAMAGED]
    message = (
        rf"damaged: damaged: key key-21 \(shard 00001\.tar, {place.length:,} bytes from byte "
        rf"{place.offset:,}\): image file is truncated.*make verify CACHE=.*--on-damage skip"
    )
    with pytest.raises(ValueError, match=message):
        list(loader(damaged).epoch(0))
    scoring = loader(damaged, [row for row in range(COUNT) if row != DAMAGED])
    assert len(list(scoring.epoch(0))) == len(scoring)


@pytest.mark.parametrize("batch_size", [2, 5, 8])
@pytest.mark.parametrize("threads", [1, 3])
def test_skipping_keeps_every_other_sample_as_it_was(
    whole: Cache, damaged: Cache, batch_size: int, threads: int
) -> None:
    changed = {"batch_size": batch_size, "threads": threads}
    intact, skipping = training(whole, **changed), training(damaged, on_damage="skip", **changed)
    for epoch in (0, 1, 4):
        assert_same(list(skipping.epoch(epoch)), without(list(intact.epoch(epoch)), {DAMAGED}))
    assert [*skipping.skipped] == [DAMAGED] and "truncated" in skipping.skipped[DAMAGED]
    assert intact.skipped == {}


@pytest.mark.parametrize("known", [False, True])
def test_resuming_gives_the_same_bits_whether_or_not_the_damage_was_met_before(
    damaged: Cache, known: bool
) -> None:
    expected = list(training(damaged, on_damage="skip").epoch(2))
    for start in range(len(expected) + 1):
        resumed = training(damaged, on_damage="skip")
        if known:
            list(resumed.epoch(1))
        assert_same(list(resumed.epoch(2, start_batch=start)), expected[start:])


def test_several_damaged_crops_in_flight_at_once(tmp_path: Path, whole: Cache) -> None:
    lost = {2, 3, 9, 17}  # of the batches of 3 that DALI has in flight together, and one beyond
    cache = write_cache(tmp_path / "cache", "jpeg", lost)
    rows = np.tile(np.arange(COUNT), 3)[:90]
    skipping = loader(cache, rows, batch_size=3, on_damage="skip")
    with pytest.raises(ValueError, match=r"of 37 crops are damaged, where at most 5%.*preprocess again"):
        list(skipping.epoch(0))
    two = write_cache(tmp_path / "two", "jpeg", {2, 3})
    with pytest.raises(ValueError, match=r"key-2 .*; key key-3 "):
        list(loader(two, batch_size=3).epoch(0))


def test_a_batch_of_damaged_crops_only_is_not_given_and_resuming_knows_its_number(
    whole: Cache, damaged: Cache
) -> None:
    rows = [0, 1, DAMAGED, DAMAGED, 4, 5, DAMAGED]
    skipping = loader(damaged, rows, batch_size=2, policy="strong", on_damage="skip")
    found, numbers = [], []
    for batch in skipping.epoch(0):
        found.append(batch)
        numbers.append(skipping.next_batch)
    assert numbers == [1, 3]
    assert_same(found, without(list(loader(whole, rows, batch_size=2, policy="strong").epoch(0)), {DAMAGED}))
    assert_same(list(skipping.epoch(0, start_batch=1)), found[1:])


def test_damage_in_flight_when_an_epoch_is_left_does_not_end_the_next(damaged: Cache) -> None:
    rows = [*range(12), DAMAGED, 12]
    expected = collect(loader(damaged, rows[:12], batch_size=2).epoch(0))
    for taken in (1, 4, 5):
        kept = loader(damaged, rows, batch_size=2)
        batches = kept.epoch(0)
        for _ in range(taken):
            next(batches)
        found = list(islice(kept.epoch(0), 4))
        assert torch.equal(collect(found)[0], expected[0][:8])


def test_an_error_that_is_no_damage_is_passed_on(whole: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    skipping = training(whole, on_damage="skip")

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Engine, "run", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        next(skipping.epoch(0))
    assert skipping.skipped == {}


def test_raw_crops_of_a_wrong_length_are_refused_when_the_loader_is_made(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "raw", {DAMAGED})
    with pytest.raises(CacheError, match=r"key-21 \(shard 00001.tar, 3,456 bytes.*have 6,912; 1 of 37"):
        loader(cache)


def test_crops_beyond_the_end_of_their_shard_are_refused(whole: Cache, tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg")
    index = whole.index.assign(offset=whole.index.offset + 10_000_000 * (whole.index.index == 3))
    with pytest.raises(CacheError, match=r"key key-3 \(shard 00000.tar, .*ends before that; 1 of 37"):
        loader(with_index(cache, index))


def cut_shard(folder: Path) -> None:
    shard = folder / "shards" / "00001.tar"
    shard.write_bytes(shard.read_bytes()[:-1000])


def edit_shard(folder: Path) -> None:
    shard = folder / "shards" / "00000.tar"
    shard.write_bytes(shard.read_bytes()[::-1])


def delete_shard(folder: Path) -> None:
    (folder / "shards" / "00000.tar").unlink()


def replace_cache(folder: Path) -> None:
    shutil.rmtree(folder)
    write_cache(folder, "jpeg", {0})


def edit_index(folder: Path) -> None:
    index = pd.read_parquet(folder / "index.parquet")
    index.assign(key="x").to_parquet(folder / "index.parquet", index=False)


def delete_index(folder: Path) -> None:
    (folder / "index.parquet").unlink()


CHANGES: dict[Callable[[Path], object], str] = {
    shutil.rmtree: "no such cache",
    cut_shard: r"00001\.tar: shard is truncated or grown: \d+ bytes instead of \d+",
    edit_shard: r"00000\.tar: content differs from its recorded sha256",
    delete_shard: r"00000\.tar: shard is missing",
    edit_index: r"index\.parquet: content differs from its recorded sha256",
    delete_index: r"index\.parquet: missing",
    replace_cache: r"cache\.json: another cache stands there now",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_cache_that_changes_between_epochs_is_an_error(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg")
    kept = training(cache)
    list(kept.epoch(0))
    change(cache.folder)
    message = rf"changed while it was in use: .*{CHANGES[change]}.*the same command goes on"
    with pytest.raises(CacheError, match=message):
        next(kept.epoch(1))


@pytest.mark.parametrize(
    "change", [shutil.rmtree, cut_shard, delete_shard, replace_cache, edit_index, delete_index]
)
def test_a_cache_that_changed_since_it_was_opened_is_an_error(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg")
    change(cache.folder)
    with pytest.raises(CacheError, match=rf"changed while it was in use: .*{CHANGES[change]}"):
        loader(cache)


def test_an_index_without_a_recorded_hash_must_stay_what_it_was(tmp_path: Path) -> None:
    """As of caches of before."""
    cache = write_cache(tmp_path / "cache", "jpeg")
    description = {name: value for name, value in cache.description.items() if name != "files"}
    write_document(cache.folder / "cache.json", description)
    kept = training(Cache.open(cache.folder))
    list(kept.epoch(0))
    path = cache.folder / "index.parquet"
    path.write_bytes(path.read_bytes())
    assert len(list(kept.epoch(1))) == len(kept)
    edit_index(cache.folder)
    with pytest.raises(CacheError, match=r"changed while it was in use: .*index\.parquet: content differs"):
        next(kept.epoch(2))


def test_a_cache_deleted_during_an_epoch_is_read_to_the_epochs_end(tmp_path: Path, whole: Cache) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg")
    expected = collect(training(whole).epoch(0))
    kept = training(cache)
    batches = kept.epoch(0)
    first = next(batches)
    shutil.rmtree(cache.folder)
    images, rows = collect([first, *batches])
    assert torch.equal(images, expected[0]) and torch.equal(rows, expected[1])
    with pytest.raises(CacheError, match="no such cache"):
        next(kept.epoch(1))


def test_a_cache_that_was_put_back_is_read_on(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg")
    kept = training(cache)
    expected = collect(kept.epoch(1))
    shutil.copytree(cache.folder, tmp_path / "copy")
    shutil.rmtree(cache.folder)
    shutil.copytree(tmp_path / "copy", cache.folder)
    found = collect(kept.epoch(1))
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


def test_shards_that_differ_from_their_hash_open_for_skipping_only(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "jpeg")
    assert open_despite_damage(cache.folder)[1] == []
    shard, place = tmp_path / "cache" / "shards" / "00001.tar", cache.index.loc[30]
    data = bytearray(shard.read_bytes())
    data[place.offset : place.offset + place.length] = bytes(place.length)
    shard.write_bytes(data)
    with pytest.raises(CacheError, match=r"00001\.tar: content differs"):
        Cache.open(cache.folder)
    opened, differing = open_despite_damage(cache.folder)
    assert differing == ["00001.tar"]
    pd.testing.assert_frame_equal(opened.index, cache.index)
    skipping = loader(opened, on_damage="skip")
    rows = collect(skipping.epoch(0))[1].tolist()
    assert [*skipping.skipped] == [30] and rows == [row for row in range(COUNT) if row != 30]
    cut_shard(cache.folder)
    with pytest.raises(CacheError, match="truncated"):
        open_despite_damage(cache.folder)


def test_raw_shards_that_differ_from_their_hash_do_not_open(tmp_path: Path) -> None:
    cache = write_cache(tmp_path / "cache", "raw")
    edit_shard(cache.folder)
    with pytest.raises(CacheError, match=r"00000\.tar: content differs"):
        open_despite_damage(cache.folder)
