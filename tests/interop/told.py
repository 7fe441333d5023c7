"""What a cache's own reader says of each crop, against what another one found."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from PIL import Image

from faces.cache.description import extension_of
from faces.cache.reader import Cache
from faces.cache.samples import differing_columns
from faces.cache.tables import PLACES

Found = tuple[str, bytes | np.ndarray, Mapping[str, Any]]
"""Key; the crop's bytes or pixels; its JSON."""


def shards(cache: Cache, suffix: str = ".tar") -> list[str]:
    return [str(path) for path in sorted((cache.folder / "shards").glob(f"*{suffix}"))]


def extension(cache: Cache) -> str:
    return extension_of(cache.description["settings"])


def check_crops(cache: Cache, found: Iterable[Found]) -> None:
    """Every crop is there once, with the bytes or pixels and the labels of its key."""
    rows = {row["key"]: (number, row) for number, row in enumerate(cache.index.to_dict("records"))}
    found = list(found)
    assert sorted(key for key, _, _ in found) == sorted(rows)
    for key, crop, labels in found:
        number, row = rows[key]
        [stored] = cache.encoded(np.array([number]))
        if isinstance(crop, bytes):
            assert crop == stored.tobytes()
        else:
            raw = cache.codec == "raw"
            pixels = stored if raw else np.asarray(Image.open(io.BytesIO(stored.tobytes())))
            assert crop.dtype == np.uint8
            np.testing.assert_array_equal(crop, pixels)
        assert differing_columns(labels, row) == []
        assert labels["mask"] == row["mask"]


def check_index(cache: Cache, found: list[Mapping[str, Any]]) -> None:
    """Every row of the index is there, in its order, with all columns; NaN may be None."""
    rows = cache.index.to_dict("records")
    assert [row["key"] for row in found] == [row["key"] for row in rows]
    for one, row in zip(found, rows, strict=True):
        assert differing_columns(one, row) == []
        assert [one[name] for name in PLACES] == [row[name] for name in PLACES]
