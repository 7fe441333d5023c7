"""Hugging Face datasets: shards as a WebDataset, streamed and copied; index and other tables as Parquet."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from faces.cache.reader import Cache
from faces.cache.tables import INDEX, PLACES
from faces.storage.tables import write_table
from tests.interop.told import Found, check_crops, check_index, extension, shards

datasets = pytest.importorskip("datasets", reason="datasets is not installed: make setup EXTRAS=others")


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "copies")


def load(kind: str, files: list[str], **options: Any) -> Any:
    return datasets.load_dataset(kind, data_files=files, split="train", **options)


def features_of(cache: Cache) -> Any:
    """The types of a sample: those of the index, so that none is guessed by the first ones."""
    index = load("parquet", [str(cache.folder / INDEX)])
    labels = {name: kind for name, kind in index.features.items() if name not in PLACES}
    crop = datasets.Image(decode=cache.codec != "raw")
    text = datasets.Value("string")
    return datasets.Features({extension(cache): crop, "json": labels, "__key__": text, "__url__": text})


def found(cache: Cache, samples: Any) -> Iterator[Found]:
    for one in samples:
        crop = one[extension(cache)]
        picture = crop["bytes"] if isinstance(crop, dict) else np.asarray(crop)
        yield one["__key__"], picture, one["json"]


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "copied"])
def test_it_reads_every_crop(cache: Cache, streaming: bool) -> None:
    samples = load("webdataset", shards(cache), features=features_of(cache), streaming=streaming)
    check_crops(cache, found(cache, samples))


def test_without_types_it_guesses_by_the_first_five_and_takes_raw_crops_for_another_format(
    caches: dict[str, Cache],
) -> None:
    """Why the types are told, and that streaming encoded crops as they are does without."""
    png, raw = caches["png"], caches["raw"]
    guessed = load("webdataset", shards(png), streaming=True)
    assert guessed.features["json"]["age"].dtype == "null"
    check_crops(png, found(png, guessed))
    check_crops(raw, found(raw, load("webdataset", shards(raw), streaming=True).decode(False)))
    with pytest.raises(datasets.exceptions.DatasetGenerationError):
        load("webdataset", shards(png))
    with pytest.raises(OSError, match="cannot identify image"):
        next(iter(load("webdataset", shards(raw), streaming=True)))


def test_it_reads_the_index(cache: Cache) -> None:
    check_index(cache, [*load("parquet", [str(cache.folder / INDEX)])])


def test_it_reads_a_table_with_a_seal_and_notes(tmp_path: Path) -> None:
    rows = pd.DataFrame({"ImageID": ["a.jpg", "나.jpg"], "p0": [0.25, 0.5], "class": [3, 17]})
    write_table(tmp_path / "probabilities.parquet", rows, {"run": "0" * 64})
    assert [*load("parquet", [str(tmp_path / "probabilities.parquet")])] == rows.to_dict("records")
