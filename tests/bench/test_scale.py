"""The probes of the scale measurement: what they count is what is there."""

import numpy as np
import pytest

from bench.scale.probe import SAMPLERS, draws_memory, memory, order_bytes, start_up
from bench.scale.work import Sizes, write_cache
from faces.cache.reader import Cache


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("scale") / "cache", 40, 4, lambda _: None)


def test_the_cache_has_its_rows_shards_and_labels(cache: Cache) -> None:
    assert len(cache) == 40 and len(cache.description["shards"]) == 4
    assert cache.image(39).shape == (32, 32, 3)
    assert (cache.labels("class18") >= 0).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_order_keeps_two_whole_numbers_of_eight_bytes_a_place(name: str) -> None:
    rows = 210_000
    # of every 100 rows 5 or 6 are of each of 18 classes; people have 7 rows each
    places = 18 * 5 * rows // 100 if name == "undersample" else rows
    found = order_bytes(name, rows)
    assert found["kept"] == pytest.approx(16 * places / rows, abs=0.1)
    assert found["peak"] >= found["kept"]


def test_draws_are_counted() -> None:
    found = draws_memory()
    # the matrices alone: 3 x 3 of the warp and 3 x 4 of the colour, float32
    assert found["peak"] >= found["kept"] >= found["places"] * 4 * (9 + 12) / 1e6


def test_memory_and_start_up_are_measured_by_stage(cache: Cache) -> None:
    found = memory(cache.folder, cache.folder, 8, 32, 12)
    assert found["own"] >= max(found["opened"], found["built"])
    times = start_up(cache.folder, cache.folder, 8, 32)
    assert times["total"] == pytest.approx(times["open"] + times["loader"] + times["first_batch"])
    assert np.isfinite([*found.values(), *times.values()]).all()


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="shards must be at least 1, got 0"):
        Sizes(shards=0)
    with pytest.raises(ValueError, match="batch_size=64: the smallest cache has 10 rows"):
        Sizes(few=10)
