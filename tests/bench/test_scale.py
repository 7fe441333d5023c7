"""The probes of the scale measurement: what they count is what is there."""

from pathlib import Path

import numpy as np
import pytest

from bench.scale.command import STEPS
from bench.scale.grown import grow
from bench.scale.growth import exponents, flat_order, growth
from bench.scale.probe import SAMPLERS, draws_memory, memory, order_bytes, start_up
from bench.scale.work import Sizes, write_cache
from faces.cache.reader import Cache
from pipeline.samplers import LISTED


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("scale") / "cache", 40, 4, lambda _: None)


def test_the_cache_has_its_rows_shards_and_labels(cache: Cache) -> None:
    assert len(cache) == 40 and len(cache.description["shards"]) == 4
    assert cache.image(39).shape == (32, 32, 3)
    assert (cache.labels("class18") >= 0).all()


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_order_keeps_one_whole_number_of_eight_bytes_a_place(name: str) -> None:
    rows = 210_000
    # of every 100 rows 5 or 6 are of each of 18 classes; people have 7 rows each
    places = 18 * 5 * rows // 100 if name == "undersample" else rows
    found = order_bytes(name, rows)
    assert found["kept"] == pytest.approx(8 * places / rows, abs=0.1)
    assert found["peak"] >= found["kept"]


def test_an_order_of_computed_rows_keeps_nothing() -> None:
    found = flat_order(LISTED + 5)
    assert found["rows"] == LISTED + 5 and found["peak_mb"] < 1 and found["ns_a_row"] > 0


def test_a_grown_cache_is_opened_and_read_as_any_other_and_takes_no_room(
    cache: Cache, tmp_path: Path
) -> None:
    grown = grow(cache, tmp_path / "grown", 3)
    assert len(grown) == 120 and len(grown.description["shards"]) == 12
    assert (grown.folder / "shards/00011.tar").samefile(cache.folder / "shards/00003.tar")
    assert grown.index["key"].is_unique and (grown.index["position"] == range(120)).all()
    assert grown.index["person"].nunique() == 3 * cache.index["person"].nunique()
    assert (grown.labels("class18").reshape(3, -1) == cache.labels("class18")).all()
    crops = grown.encoded(np.arange(120))
    assert all((crops[row] == crop).all() for row, crop in zip(range(80, 120), crops[:40], strict=True))


def test_growth_is_measured_step_by_step_and_its_power_found(cache: Cache) -> None:
    found = growth(cache.folder, cache.folder, 8, 32)
    assert {*STEPS} - {"built_mb", "own_mb"} == {*found} - {"gigabytes"}
    assert all(value > 0 for name, value in found.items() if name != "index_mb")
    rows = [10, 100, 1000]
    assert exponents(rows, [3 * n**1.5 for n in rows]) == pytest.approx({"all": 1.5, "last": 1.5})
    assert exponents(rows, [7, 7, 70]) == pytest.approx({"all": 0.5, "last": 1})


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
    for grown in ((), (100,), (100, 150), (200, 100)):
        with pytest.raises(ValueError, match=r"grown=.*rising, all multiples"):
            Sizes(grown=grown)
    with pytest.raises(ValueError, match="batch_size=64: the smallest cache has 10 rows"):
        Sizes(few=10)
