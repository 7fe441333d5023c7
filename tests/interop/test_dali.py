"""DALI's own reader of WebDatasets, with the index files beside the shards."""

import json

import numpy as np
import pytest

from faces.cache.reader import Cache
from tests.interop.told import check_crops, extension, shards

dali = pytest.importorskip("nvidia.dali", reason="DALI is not installed: make setup")


@pytest.mark.parametrize("decoded", [False, True], ids=["as stored", "decoded"])
def test_it_reads_every_crop(cache: Cache, decoded: bool) -> None:
    @dali.pipeline_def(batch_size=len(cache), num_threads=1, device_id=None)
    def read() -> tuple[object, object]:
        data, meta = dali.fn.readers.webdataset(
            paths=shards(cache), index_paths=shards(cache, ".idx"), ext=[extension(cache), "json"]
        )
        if decoded and cache.codec == "raw":
            data = dali.fn.reshape(data, shape=[cache.size, cache.size, cache.channels])
        elif decoded:
            data = dali.fn.decoders.image(data, output_type=dali.types.ANY_DATA)
        return data, meta

    pipeline = read()
    pipeline.build()
    crops, metas = pipeline.run()
    found = []
    for place in range(len(cache)):
        labels, crop = json.loads(bytes(metas.at(place))), np.asarray(crops.at(place))
        found.append((labels["key"], crop if decoded else crop.tobytes(), labels))
    check_crops(cache, found)
