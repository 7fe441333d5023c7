"""The loader: which rows come when, resuming, breaking off, and whose memory the tensors are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nvidia.dali import Pipeline

from faces.cache.reader import Cache
from pipeline.samplers import Weighted
from tests.helpers.crops import COUNT, MEAN, SIZE, STD, collect, loader, training, write_cache


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cache]:
    folder = tmp_path_factory.mktemp("caches")
    return {codec: write_cache(folder / codec, codec) for codec in ("jpeg", "raw")}


@pytest.fixture
def cache(caches: dict[str, Cache]) -> Cache:
    return caches["jpeg"]


def test_tensors_have_the_stated_form(cache: Cache) -> None:
    images, rows = next(training(cache).epoch(0))
    assert images.shape == (8, 3, 32, 32) and images.dtype == torch.float32
    assert images.is_contiguous() and images.device.type == "cpu"
    assert rows.shape == (8,) and rows.dtype == torch.int64


@pytest.mark.parametrize("threads", [1, 2])
def test_evaluation_takes_every_row_once_in_order_with_a_short_last_batch(cache: Cache, threads: int) -> None:
    chosen = np.random.default_rng(0).permutation(COUNT)
    scoring = loader(cache, chosen, threads=threads)
    batches = list(scoring.epoch(0))
    assert len(batches) == len(scoring) == 5
    assert [len(rows) for _, rows in batches] == [8, 8, 8, 8, 5]
    assert torch.cat([rows for _, rows in batches]).tolist() == chosen.tolist()


def test_rows_and_images_belong_together(caches: dict[str, Cache]) -> None:
    cache = caches["raw"]
    for images, rows in loader(cache, image_size=SIZE, shuffle=True).epoch(0):
        for image, crop in zip(images, cache.encoded(rows.numpy()), strict=True):
            pixels = (image.numpy().transpose(1, 2, 0) * STD + MEAN) * 255
            np.testing.assert_allclose(pixels, crop, atol=1e-3)


def test_training_drops_the_short_batch_and_shuffles_anew(cache: Cache) -> None:
    epochs = [collect(training(cache).epoch(epoch))[1].tolist() for epoch in (0, 1)]
    assert [len(epoch) for epoch in epochs] == [32, 32]
    assert all(len(set(epoch)) == 32 for epoch in epochs) and epochs[0] != epochs[1]
    with pytest.raises(ValueError, match=r"batch_size=8: .* only 3 samples.*at most 3"):
        training(cache, rows=[3, 4, 5])


def test_weights_choose_rows(cache: Cache) -> None:
    weights = np.zeros(COUNT)
    weights[[2, 30]] = 1
    rows = collect(loader(cache, sampler=Weighted(weights)).epoch(0))[1]
    assert set(rows.tolist()) == {2, 30}


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
def test_pixels_do_not_depend_on_threads_batches_or_ranks(caches: dict[str, Cache], codec: str) -> None:
    images, rows = collect(training(caches[codec], batch_size=4).epoch(2))
    others = [{"threads": 2, "batch_size": 4}, {"batch_size": 12}]
    for changed in others:
        again, same_rows = collect(training(caches[codec], **changed).epoch(2))
        assert torch.equal(again, images[: len(again)]) and torch.equal(same_rows, rows[: len(same_rows)])
    for rank in (0, 1):
        share, share_rows = collect(training(caches[codec], batch_size=6, rank=rank, world=2).epoch(2))
        assert torch.equal(share, images[rank::2][:18]) and torch.equal(share_rows, rows[rank::2][:18])


def test_codecs_agree_exactly(caches: dict[str, Cache]) -> None:
    jpeg, raw = (collect(training(caches[codec]).epoch(0)) for codec in ("jpeg", "raw"))
    assert torch.equal(jpeg[0], raw[0]) and torch.equal(jpeg[1], raw[1])


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_resuming_gives_the_remaining_batches_bit_for_bit(cache: Cache, start: int) -> None:
    whole = list(training(cache).epoch(7))
    resumed = list(training(cache).epoch(7, start_batch=start))
    assert len(resumed) == len(whole) - start
    for (images, rows), (expected, expected_rows) in zip(resumed, whole[start:], strict=True):
        assert torch.equal(images, expected) and torch.equal(rows, expected_rows)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    epoch=st.integers(0, 2**20),
    seed=st.integers(0, 2**31),
    batch_size=st.integers(2, 12),
    threads=st.integers(1, 3),
    codec=st.sampled_from(["jpeg", "raw"]),
    data=st.data(),
)
def test_any_batch_of_any_epoch_depends_on_its_places_only(
    caches: dict[str, Cache],
    epoch: int,
    seed: int,
    batch_size: int,
    threads: int,
    codec: str,
    data: st.DataObject,
) -> None:
    images, rows = collect(training(caches["raw"], batch_size=1, seed=seed).epoch(epoch))
    split = training(caches[codec], batch_size=batch_size, threads=threads, seed=seed)
    start = data.draw(st.integers(0, len(split)))
    at = start * batch_size
    for batch, its_rows in split.epoch(epoch, start_batch=start):
        assert torch.equal(its_rows, rows[at : at + batch_size])
        assert torch.equal(batch, images[at : at + batch_size])
        at += batch_size
        assert split.next_batch == at // batch_size
    assert at == len(split) * batch_size


def test_two_loaders_alive_at_once_do_not_disturb_each_other(cache: Cache) -> None:
    expected = [collect(training(cache, seed=seed).epoch(3)) for seed in (5, 6)]
    both = zip(training(cache, seed=5).epoch(3), training(cache, seed=6).epoch(3), strict=True)
    for found, (images, rows) in zip(zip(*both, strict=True), expected, strict=True):
        own_images, own_rows = collect(found)
        assert torch.equal(own_images, images) and torch.equal(own_rows, rows)


@pytest.mark.parametrize("taken", [0, 1, 2, 3, 4])
def test_epoch_broken_off_leaves_the_next_one_whole(cache: Cache, taken: int) -> None:
    expected = collect(training(cache).epoch(1))
    broken = training(cache)
    for epoch in (0, 3):
        batches = broken.epoch(epoch)
        for _ in range(taken):
            next(batches)
        found = collect(broken.epoch(1))
        assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


def test_epochs_in_a_row_build_one_pipeline(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    built, build = [], Pipeline.build
    monkeypatch.setattr(Pipeline, "build", lambda pipeline: built.append(pipeline) or build(pipeline))
    kept = training(cache)
    for epoch in (0, 1, 2):
        list(kept.epoch(epoch))
        next(kept.epoch(epoch))
    assert len({id(pipeline) for pipeline in built}) == 1


def test_an_epoch_cannot_go_on_after_another_was_started(cache: Cache) -> None:
    shared = training(cache)
    first = shared.epoch(0)
    next(first)
    next(shared.epoch(1))
    with pytest.raises(RuntimeError, match="another epoch"):
        next(first)
    assert len(list(shared.epoch(2))) == len(shared)


def test_tensors_handed_out_are_never_written_to_again(cache: Cache) -> None:
    repeated = training(cache, rows=np.tile(np.arange(COUNT), 4))
    kept, copies = [], []
    for epoch in (0, 1):
        for images, _ in repeated.epoch(epoch):
            kept.append(images)
            copies.append(images.clone())
    del repeated
    assert all(torch.equal(image, copy) for image, copy in zip(kept, copies, strict=True))
    kept[0].zero_()
    assert not kept[1].eq(0).all(), "each batch has memory of its own"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rows": []}, "no rows"),
        ({"rows": [COUNT]}, "0 to 36, got 37 to 37"),
        ({"image_size": 15}, "at least 16 pixels, got 15"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"policy": "stron"}, "did you mean 'strong'"),
        ({"sampler": Weighted([1.0])}, "for 1 rows, the loader has 37"),
        ({"seed": -1}, "0 or more"),
        ({"rank": 1}, "rank 1 of world 1"),
    ],
)
def test_bad_arguments_are_named(cache: Cache, changed: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loader(cache, **changed)
