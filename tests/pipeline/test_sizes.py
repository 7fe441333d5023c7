"""Sound crops of another size than the cache's: named, left out, and nothing of other memory shown."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faces.cache.description import CacheError
from faces.cache.reader import Cache
from faces.cache.tar import Sample
from faces.cache.writer import CacheWriter
from faces.labels import CONTEST
from pipeline.formats import InputFormat, MultiFormatLoader
from pipeline.loader import Loader
from tests.helpers.crops import MEAN, STD, collect, loader, training

COUNT, SIZE, ODD = 40, 64, 21
GREY = {"RGB": (128,) * 3, "RGBA": (128, 128, 128, 255), "L": 128, "I;16": 32896}
POLICIES = ("none", "light", "strong")


def picture(mode: str, height: int, width: int, codec: str) -> bytes:
    """A file of one grey everywhere, which is that of erased rectangles, too."""
    buffer = io.BytesIO()
    Image.new(mode, (width, height), GREY[mode]).save(buffer, codec.upper())
    return buffer.getvalue()


def write_grey(folder: Path, codec: str, channels: int, odd: bytes | None = None) -> Cache:
    """A cache of grey 64 x 64 crops, one of which is replaced; every hash and length is right."""
    plain = picture("RGB" if channels == 3 else "RGBA", SIZE, SIZE, codec)
    samples = [
        Sample(
            fields={"key": f"key-{i}", "position": i, "height": SIZE, "width": SIZE, "status": "detected"},
            data=odd if odd and i == ODD else plain,
        )
        for i in range(COUNT)
    ]
    settings = {"codec": codec, "size": SIZE, "background": "alpha" if channels == 4 else "photo"}
    writer = CacheWriter(folder, settings=settings, labels=CONTEST, source={}, shard_count=2)
    writer.write(0, samples[:20])
    writer.write(1, samples[20:])
    writer.finish()
    return Cache.open(folder)


def rows_of(cache: Cache, **changed: object) -> Loader:
    return loader(cache, range(COUNT), **changed)


def levels(images: torch.Tensor) -> int:
    """The greatest number of different values in any channel of any image."""
    return max(len(channel.unique()) for image in images for channel in image)


OTHERS = [
    ("jpeg", 3, "RGB", 8, 8, 3),
    ("jpeg", 3, "RGB", 1, 1, 3),
    ("jpeg", 3, "RGB", SIZE, SIZE // 2, 3),
    ("jpeg", 3, "RGB", SIZE // 2, 2 * SIZE, 3),
    ("jpeg", 3, "RGB", SIZE + 11, SIZE + 11, 3),
    ("jpeg", 3, "L", SIZE - 1, SIZE, 3),
    ("png", 3, "RGB", 8, 8, 3),
    ("png", 4, "RGBA", 8, 8, 4),
    ("png", 4, "RGB", SIZE, SIZE, 3),
    ("png", 4, "L", SIZE, SIZE, 1),
    ("png", 4, "I;16", SIZE, SIZE, 1),
]
"""Codec and channels of the cache; mode, height, width of the one crop; its channels when decoded."""


@pytest.mark.parametrize(("codec", "channels", "mode", "height", "width", "found"), OTHERS)
def test_a_crop_of_another_size_is_named_and_can_be_left_out(
    tmp_path: Path, codec: str, channels: int, mode: str, height: int, width: int, found: int
) -> None:
    cache = write_grey(tmp_path, codec, channels, picture(mode, height, width, codec))
    place = cache.index.loc[ODD]
    message = (
        rf"damaged: key key-21 \(shard 00001\.tar, {place.length:,} bytes from byte {place.offset:,}\): "
        rf"is {height} x {width} x {found} where the cache's crops are {SIZE} x {SIZE} x {channels}\. "
        r".*make verify CACHE=.*--on-damage skip"
    )
    for policy in POLICIES:
        with pytest.raises(ValueError, match=message):
            list(rows_of(cache, policy=policy, batch_size=2).epoch(0))
    skipping = rows_of(cache, policy="none" if channels == 4 else "strong", on_damage="skip")
    images, rows = collect(skipping.epoch(0))
    assert rows.tolist() == [row for row in range(COUNT) if row != ODD]
    assert "where the cache's crops are" in skipping.skipped[ODD]
    assert levels(images) == 1


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_grey_crops_stay_one_grey(tmp_path: Path, codec: str) -> None:
    cache = write_grey(tmp_path, codec, 3)
    for policy, image_size in itertools.product(POLICIES, (16, 48, SIZE, 80)):
        images, _ = collect(rows_of(cache, policy=policy, image_size=image_size).epoch(0))
        assert levels(images) == 1


@pytest.mark.parametrize("size", [(8, 8), (SIZE // 2, 2 * SIZE)])
def test_several_formats_refuse_it_too(tmp_path: Path, size: tuple[int, int]) -> None:
    cache = write_grey(tmp_path, "jpeg", 3, picture("RGB", *size, "jpeg"))
    formats = [InputFormat(image_size=side, mean=MEAN, std=STD, centre=0.9) for side in (32, 64)]
    with pytest.raises(ValueError, match=rf"key-21 .*: is {size[0]} x {size[1]} x 3 where"):
        list(MultiFormatLoader(cache, range(COUNT), formats, batch_size=2).batches())


def test_what_comes_before_it_is_given_and_an_epoch_goes_on_behind_it(tmp_path: Path) -> None:
    whole = write_grey(tmp_path / "whole", "jpeg", 3)
    cache = write_grey(tmp_path / "cache", "jpeg", 3, picture("RGB", 8, 8, "jpeg"))
    stopping, given = rows_of(cache, batch_size=2), []
    with pytest.raises(ValueError, match="is 8 x 8 x 3"):
        given.extend(rows.tolist() for _, rows in stopping.epoch(0))
    assert given == [[row, row + 1] for row in range(0, ODD - 1, 2)]
    behind = list(stopping.epoch(0, start_batch=ODD // 2 + 1))
    assert collect(behind)[1].tolist() == [*range(ODD + 1, COUNT)]
    expected = list(training(whole, range(COUNT), batch_size=4).epoch(3))
    for start in (0, 4, 9):
        resumed = training(cache, range(COUNT), batch_size=4, on_damage="skip").epoch(3, start_batch=start)
        for (images, rows), (all_images, all_rows) in zip(resumed, expected[start:], strict=True):
            kept = all_rows != ODD
            assert torch.equal(rows, all_rows[kept]) and torch.equal(images, all_images[kept])


def test_a_shard_cut_short_during_an_epoch_is_noticed_before_it_is_read(tmp_path: Path) -> None:
    cache = write_grey(tmp_path, "jpeg", 3)
    kept = rows_of(cache, batch_size=2)
    batches = kept.epoch(0)
    next(batches)
    shard = tmp_path / "shards" / "00001.tar"
    whole = shard.read_bytes()
    with shard.open("r+b") as file:
        file.truncate(len(whole) // 2)
    with pytest.raises(
        CacheError, match=rf"00001\.tar: changed .*cut short to .* of {len(whole):,} bytes; once"
    ):
        list(batches)
    with shard.open("r+b") as file:
        file.write(whole)
    assert collect(kept.epoch(0))[1].tolist() == [*range(COUNT)]
    assert np.array_equal(cache.encoded(np.array([ODD]))[0], cache.encoded(np.array([ODD + 1]))[0])
