"""Ray Data: shards as a WebDataset, index and other tables as Parquet."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.cache.tables import INDEX
from faces.storage.tables import write_table
from tests.interop.told import check_crops, check_index, extension, shards

ray = pytest.importorskip("ray", reason="ray is not installed: make setup EXTRAS=ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _started() -> Iterator[None]:
    """On one core. Its sockets want a short path."""
    with tempfile.TemporaryDirectory(prefix="ray-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            num_cpus=1,
            include_dashboard=False,
            object_store_memory=100 * 2**20,
            log_to_driver=False,
            _temp_dir=folder,
        )
        yield
        ray.shutdown()


@pytest.mark.parametrize("decoder", [None, True], ids=["as stored", "decoded"])
def test_it_reads_every_crop(caches: dict[str, Cache], decoder: bool | None) -> None:
    """In one test, as starting takes most of its time."""
    for cache in caches.values():
        samples = ray.data.read_webdataset(shards(cache), decoder=decoder).take_all()
        found = []
        for one in samples:
            crop, labels = one[extension(cache)], one["json"]
            assert isinstance(crop, bytes) == (decoder is None or cache.codec == "raw")
            picture = crop if isinstance(crop, bytes) else np.asarray(crop)
            found.append((one["__key__"], picture, labels if decoder else json.loads(labels)))
        check_crops(cache, found)


def test_it_reads_the_index(caches: dict[str, Cache]) -> None:
    cache = caches["jpeg"]
    check_index(cache, ray.data.read_parquet(str(cache.folder / INDEX)).take_all())


def test_it_reads_a_table_with_a_seal_and_notes(tmp_path: Path) -> None:
    rows = pd.DataFrame({"ImageID": ["a.jpg", "나.jpg"], "p0": [0.25, 0.5], "class": [3, 17]})
    write_table(tmp_path / "probabilities.parquet", rows, {"run": "0" * 64})
    found = ray.data.read_parquet(str(tmp_path / "probabilities.parquet")).take_all()
    assert found == rows.to_dict("records")
