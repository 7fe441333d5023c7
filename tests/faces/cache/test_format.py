"""Caches of each codec as the pipeline reads them; `tests/interop` has what others read of them."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faces.cache.description import extension_of
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from pipeline.loader import Loader
from preprocess.crop.render import encode
from tests.faces.cache.written import COUNT, SIZE, crop, write


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cache]:
    folder = tmp_path_factory.mktemp("caches")
    return {codec: write(folder / codec, codec) for codec in ("jpeg", "png", "raw")}


@pytest.mark.parametrize("codec", ["png", "raw"])
def test_codecs_without_loss_keep_the_crop_itself(caches: dict[str, Cache], codec: str) -> None:
    cache = caches[codec]
    for row, position in enumerate(cache.index.position):
        np.testing.assert_array_equal(cache.image(row), crop(int(position)))


def loaded(cache: Cache, policy: str) -> tuple[torch.Tensor, torch.Tensor]:
    half = (0.5, 0.5, 0.5)
    rows = np.arange(len(cache))
    loader = Loader(cache, rows, batch_size=4, image_size=24, mean=half, std=half, policy=policy, seed=3)
    images, numbers = zip(*loader.epoch(1), strict=True)
    return torch.cat(images), torch.cat(numbers)


@pytest.mark.parametrize("policy", ["none", "strong"])
def test_the_pipeline_gives_the_same_pixels_from_png_as_from_raw(
    caches: dict[str, Cache], policy: str
) -> None:
    png, raw = (loaded(caches[codec], policy) for codec in ("png", "raw"))
    assert torch.equal(png[0], raw[0]) and torch.equal(png[1], raw[1])
    assert len(png[0]) == COUNT - 1 and png[0].std() > 0.1


def test_a_damaged_png_is_named_by_the_pipeline(tmp_path: Path) -> None:
    fields = {"key": "broken", "position": 0, "height": SIZE, "width": SIZE, "status": "detected"}
    writer = CacheWriter(
        tmp_path, settings={"codec": "png", "size": SIZE}, labels=CONTEST, source={}, shard_count=1
    )
    writer.write(0, [Sample(fields=fields, data=encode(crop(0), "png", 95)[:200])])
    cache = writer.finish()
    with pytest.raises(ValueError, match="damaged: key broken"):
        loaded(cache, "none")


@pytest.mark.parametrize("codec", ["png", "raw"])
def test_cut_out_crops_keep_their_mask_and_are_shown_on_white(tmp_path: Path, codec: str) -> None:
    cache = write(tmp_path / "cache", codec, background="alpha")
    assert cache.channels == 4
    assert extension_of(cache.description["settings"]) == {"png": "png", "raw": "rgba"}[codec]
    for row, position in enumerate(cache.index.position):
        pixels = crop(int(position), 4)
        [data] = cache.encoded(np.array([row]))
        stored = data if codec == "raw" else np.asarray(Image.open(io.BytesIO(data.tobytes())))
        np.testing.assert_array_equal(stored, pixels)
        white = Image.new("RGBA", (SIZE, SIZE), "white")
        on_white = Image.alpha_composite(white, Image.fromarray(pixels)).convert("RGB")
        np.testing.assert_allclose(cache.image(row).astype(int), np.asarray(on_white, int), atol=1)


@pytest.mark.parametrize("policy", ["none", "strong"])
def test_the_pipeline_pastes_cut_out_crops_alike_from_png_and_raw(tmp_path: Path, policy: str) -> None:
    caches = [write(tmp_path / codec, codec, background="alpha") for codec in ("png", "raw")]
    (png, rows), (raw, same_rows) = (loaded(cache, policy) for cache in caches)
    assert torch.equal(png, raw) and torch.equal(rows, same_rows) and png.shape == (len(rows), 3, 24, 24)


def test_caches_that_know_no_background_hold_rgb(make_cache: Callable[..., Cache]) -> None:
    cache = make_cache(people=2)
    assert "background" not in cache.description["settings"] and cache.channels == 3
    assert cache.image(0).shape == (48, 48, 3)
    assert extension_of(cache.description["settings"]) == "rgb"
