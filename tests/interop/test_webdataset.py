"""webdataset: every crop, and the keys of joined caches."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from faces.cache.reader import Cache
from tests.helpers.extras import joined
from tests.interop.told import check_crops, extension, shards

wds = pytest.importorskip("webdataset", reason="webdataset is not installed: make setup")


def test_it_reads_every_crop_as_it_is_stored(cache: Cache) -> None:
    samples = wds.WebDataset(shards(cache), shardshuffle=False)
    name = extension(cache)
    check_crops(cache, ((one["__key__"], one[name], json.loads(one["json"])) for one in samples))


def test_it_decodes_every_crop_to_the_same_pixels(cache: Cache) -> None:
    """Raw ones by their bytes: it takes their names for another format."""
    samples = wds.WebDataset(shards(cache), shardshuffle=False)
    side, name = cache.size, extension(cache)
    if cache.codec == "raw":
        samples = samples.decode(only=["json"]).map_dict(
            **{name: lambda crop: np.frombuffer(crop, np.uint8).reshape(side, side, -1)}
        )
    else:
        samples = samples.decode({3: "rgb8", 4: "rgba8"}[cache.channels])
    check_crops(cache, ((one["__key__"], one[name], one["json"]) for one in samples))


def test_keys_of_a_joined_cache_are_the_parts_prefix_and_the_tars_key(
    tmp_path: Path, make_cache: Callable[..., Cache]
) -> None:
    cache = joined(tmp_path / "all", make_cache("one", people=2), make_cache("two", people=3))
    stored = {key: cache.encoded(np.array([row]))[0].tobytes() for row, key in enumerate(cache.index["key"])}
    parts = json.loads((cache.folder / "cache.json").read_bytes())["source"]["parts"]
    prefixes = [part["prefix"] for part in parts for _ in range(part["shards"])]
    found = {
        prefix + sample["__key__"]: sample["rgb"]
        for prefix, shard in zip(prefixes, shards(cache), strict=True)
        for sample in wds.WebDataset(shard, shardshuffle=False)
    }
    assert found == stored and len({*prefixes}) == 2
