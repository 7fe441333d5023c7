"""Crops decoded at half their size: the pictures stay, and so does what the loader promises."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from faces.cache.reader import Cache
from pipeline.augment import policy_named
from pipeline.draws import draw
from pipeline.graph import Graph
from pipeline.operators.halves import decoded_ahead
from tests.helpers.crops import collect, loader, training, write_cache
from tests.helpers.graphs import encoded, graph_of, photos, run

DAMAGED = 21


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "whole", "jpeg")


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return write_cache(tmp_path_factory.mktemp("caches") / "damaged", "jpeg", {DAMAGED})


def portraits() -> list[np.ndarray]:
    """Six uint8 [256, 256, 3] parts of a portrait, as sharp as crops that were made from photos are."""
    return [cv2.GaussianBlur(photo, (0, 0), 1.5) for photo in photos()]


def halves_of(crops: list[np.ndarray]) -> list[np.ndarray]:
    ((halves,),) = decoded_ahead(iter([[crops]]), 256, 1)
    return list(halves)


def test_half_a_picture_is_the_mean_of_fours_but_for_a_grey_level() -> None:
    crops = [encoded(each, "JPEG") for each in portraits()]
    for half, crop in zip(halves_of(crops), crops, strict=True):
        whole = cv2.imdecode(crop, cv2.IMREAD_COLOR_RGB)
        means = whole.reshape(128, 2, 128, 2, 3).mean((1, 3))
        assert half.shape == means.shape and half.dtype == np.uint8
        assert abs(half - means).mean() < 1 and abs((half - means).mean()) < 0.1


@pytest.mark.parametrize("image_size", [96, 128])
@pytest.mark.parametrize("policy", ["light", "strong"])
def test_augmented_images_stay_within_a_grey_level_in_the_mean(policy: str, image_size: int) -> None:
    crops = [encoded(photo, "JPEG") for photo in portraits()]
    graph = graph_of(policy_named(policy), image_size, codec="jpeg")
    draws = draw(graph.policy, len(crops), epoch=0, seed=1)
    difference = run(graph.of_halves(), halves_of(crops), draws) - run(graph, crops, draws)
    assert abs(difference).mean() < 1 and abs(difference.mean()) < 0.1


def test_where_it_is_enough() -> None:
    graph = graph_of(policy_named("light"), 128, codec="jpeg")
    assert graph.halves_suffice and replace(graph, image_size=96, centre=0.8).halves_suffice
    assert graph.of_halves() == replace(graph, codec="raw", source_size=128)
    for change in (
        {"image_size": 129},
        {"centre": 0.9},
        {"device": "gpu"},
        {"policy": policy_named("none")},
        {"source_size": 257},
        {"codec": "raw"},
    ):
        changed: Graph = replace(graph, **change)  # type: ignore[arg-type]
        assert not changed.halves_suffice, change


def test_threads_and_resuming_change_no_bit(cache: Cache) -> None:
    expected = list(training(cache, image_size=24).epoch(1))
    for threads, start in ((1, 2), (3, 0)):
        found = list(training(cache, image_size=24, threads=threads).epoch(1, start_batch=start))
        for (images, rows), (other, other_rows) in zip(found, expected[start:], strict=True):
            assert torch.equal(images, other) and torch.equal(rows, other_rows)


@pytest.mark.parametrize("image_size", [24, 32])
def test_damage_is_found_named_and_left_out_as_in_whole_crops(
    cache: Cache, damaged: Cache, image_size: int
) -> None:
    options = {"image_size": image_size, "policy": "strong"}
    with pytest.raises(ValueError, match=r"key key-21 .*image file is truncated.*--on-damage skip"):
        list(loader(damaged, **options).epoch(0))
    skipping = loader(damaged, on_damage="skip", **options)
    found, rows = collect(skipping.epoch(0))
    images, _ = collect(loader(cache, **options).epoch(0))
    assert [*skipping.skipped] == [DAMAGED] and DAMAGED not in rows
    assert torch.equal(found, images[rows])


def test_another_decoder_is_asked_where_one_refuses() -> None:
    whole = encoded(photos()[0], "JPEG")
    longer = np.concatenate([whole, np.zeros(3, np.uint8)])
    first, second, *rest = halves_of([whole, longer, whole[:99], whole[:0]])
    assert first.shape == second.shape and abs(first.astype(int) - second).mean() < 1
    assert [half.shape for half in rest] == [(1, 1, 3)] * 2


def test_an_epoch_left_early_leaves_the_next_whole(cache: Cache) -> None:
    kept = training(cache, image_size=24)
    next(iter(kept.epoch(0)))
    assert torch.equal(collect(kept.epoch(0))[0], collect(training(cache, image_size=24).epoch(0))[0])
