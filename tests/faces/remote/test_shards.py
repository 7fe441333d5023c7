import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import fsspec
import numpy as np
import pytest

from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from faces.remote.address import RemoteError
from faces.remote.retries import BUDGET_VARIABLE
from faces.remote.shards import _most_at_once
from faces.remote.stage import BOUND_VARIABLE, make_room, shard_path
from pipeline.loader import Loader
from tests.helpers.coloured import SETTINGS, coloured_sample


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    """10 shards of 6 crops."""
    folder = tmp_path_factory.mktemp("many") / "cache"
    writer = CacheWriter(folder, settings=SETTINGS, labels=CONTEST, source={"photos": 60}, shard_count=10)
    for shard in writer.pending():
        samples = [coloured_sample(6 * shard + i, 2 * shard + i // 3, i % 3, labelled=True) for i in range(6)]
        writer.write(shard, [Sample(fields=each.fields, data=each.data) for each in samples])
    return writer.finish()


def same(one: Cache, other: Cache, rows: np.ndarray) -> bool:
    return all((a == b).all() for a, b in zip(one.encoded(rows), other.encoded(rows), strict=True))


def held(stage: Path) -> int:
    """Bytes of shards that are here; the next may come, and the last go, meanwhile."""
    total = 0
    for path in (stage / "shards").rglob("*.tar"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def bound_to(monkeypatch: pytest.MonkeyPatch, cache: Cache, shards: float) -> int:
    size = int(shards * cache.description["shards"][0]["bytes"])
    monkeypatch.setenv(BOUND_VARIABLE, str(size / 1e9))
    return size


def test_a_cache_at_an_address_reads_as_its_copy_here(
    many: Cache, stored: Callable[[Cache, str], str]
) -> None:
    far = Cache.open(stored(many, "far"))
    assert str(far.address) == "memory://far"
    assert far.identity == many.identity
    assert not (far.folder / "shards").exists()  # nothing of them is brought before it is read
    assert same(far, many, np.random.default_rng(0).permutation(60))
    assert same(far, many, np.arange(60))


def test_batches_are_the_same_bits(many: Cache, stored: Callable[[Cache, str], str]) -> None:
    options = {"batch_size": 16, "image_size": 32, "mean": (0.5,) * 3, "std": (0.25,) * 3, "shuffle": True}
    one, other = (
        Loader(cache, range(60), policy="strong", **options)  # type: ignore[arg-type]
        for cache in (many, Cache.open(stored(many, "far")))
    )
    for epoch in range(2):
        for (a, at), (b, there) in zip(one.epoch(epoch), other.epoch(epoch), strict=True):
            assert (at == there).all() and (a == b).all()


def test_in_order_a_cache_larger_than_the_stage_passes_through_it(
    many: Cache, stored: Callable[[Cache, str], str], monkeypatch: pytest.MonkeyPatch, stage: Path
) -> None:
    most = bound_to(monkeypatch, many, 3.5)
    far = Cache.open(stored(many, "far"))
    far.expect(np.arange(60))
    for start in range(0, 60, 4):
        assert same(far, many, np.arange(start, start + 4))
        assert held(stage) <= most
    far.expect(np.arange(60))  # and once more, though the first ones are gone
    assert same(far, many, np.arange(8))


def test_an_order_that_needs_more_than_the_stage_is_refused_with_the_size(
    many: Cache, stored: Callable[[Cache, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bound_to(monkeypatch, many, 3.5)
    far = Cache.open(stored(many, "far"))
    whole = sum(shard["bytes"] for shard in many.description["shards"])
    message = f"memory://far: .* {whole / 1e9:.3g} GB .*; set {BOUND_VARIABLE} to that"
    with pytest.raises(RemoteError, match=message):
        far.expect(np.random.default_rng(0).permutation(60))


def test_rows_read_in_no_told_order_make_room_for_each_other(
    many: Cache, stored: Callable[[Cache, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bound_to(monkeypatch, many, 2.5)
    far = Cache.open(stored(many, "far"))
    for row in np.random.default_rng(1).integers(0, 60, 30):
        assert same(far, many, np.array([row]))
    far.expect(np.arange(12))
    assert same(far, many, np.array([50]))  # nor does one that was not expected wait for ever


def test_most_at_once_is_that_of_shards_begun_and_not_ended() -> None:
    sizes = np.array([5, 7, 11])
    in_turn = (np.array([0, 3, 6]), np.array([2, 5, 8]))
    assert _most_at_once(*in_turn, sizes) == 11
    assert _most_at_once(np.array([0, 1, 6]), np.array([4, 5, 8]), sizes) == 12
    assert _most_at_once(np.array([0, 1, 2]), np.array([8, 8, 8]), sizes) == 23


def test_a_shard_that_changed_at_the_address_is_never_handed_out(
    many: Cache,
    stored: Callable[[Cache, str], str],
    memory: fsspec.AbstractFileSystem,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(BUDGET_VARIABLE, "2")
    far = Cache.open(stored(many, "far"))
    name = "/far/shards/00004.tar"
    data = bytearray(memory.cat_file(name))
    data[1000] ^= 1
    memory.pipe_file(name, bytes(data))
    assert same(far, many, np.arange(24))
    message = "memory://far/shards/00004.tar: .* sha256, at the last of 3 attempts"
    with pytest.raises(RemoteError, match=message):
        far.encoded(np.array([25]))


def test_a_shard_damaged_in_the_stage_comes_again(many: Cache, stored: Callable[[Cache, str], str]) -> None:
    address = stored(many, "far")
    assert same(Cache.open(address), many, np.arange(60))
    path = shard_path(many.description["shards"][2]["sha256"])
    for damage in (path.read_bytes()[:-1] + b"x", path.read_bytes()[:-512]):
        path.write_bytes(damage)
        assert same(Cache.open(address), many, np.arange(60))


def test_the_longest_unused_shards_go_first_and_none_that_is_needed(stage: Path) -> None:
    paths = [shard_path(f"{number:064d}") for number in range(4)]
    for age, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 1000 - age))
    assert make_room(100, 500, [])
    assert all(path.is_file() for path in paths)
    assert make_room(100, 300, [paths[3]])
    assert [path.is_file() for path in paths] == [True, False, False, True]
    assert not make_room(250, 300, [paths[3]])
