"""The weights of the antialiased resize, and the operator on images of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nvidia.dali import Pipeline, fn

from pipeline.operators.shrink import resize, triangle_weights
from tests.helpers.graphs import pil_resize


def resized(image: np.ndarray, size: int, first: int = 0, count: int = 0) -> np.ndarray:
    pipeline = Pipeline(batch_size=1, num_threads=1, device_id=None)
    with pipeline:
        node = fn.external_source(lambda: [image], batch=True, layout="HWC")
        pipeline.set_outputs(resize(node, len(image), size, first, count))
    return np.asarray(pipeline.run()[0].as_array()[0])


@settings(max_examples=200, deadline=None)
@given(st.integers(2, 700), st.integers(1, 700), st.data())
def test_weights_make_up_one_and_lie_within_the_line(source: int, size: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, size - 1))
    count = data.draw(st.integers(1, size - first))
    starts, weights = triangle_weights(source, size, first, count)
    assert len(starts) == len(weights) == count
    assert starts.min() >= 0 and (starts + weights.shape[1]).max() <= source
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    whole, all_weights = triangle_weights(source, size, 0, size)
    places = np.arange(source)
    for start, own, start_of_all, own_of_all in zip(
        starts, weights, whole[first:], all_weights[first : first + count], strict=False
    ):
        dense, dense_of_all = np.zeros(source), np.zeros(source)
        dense[places[start : start + len(own)]] = own
        dense_of_all[places[start_of_all : start_of_all + len(own_of_all)]] = own_of_all
        np.testing.assert_allclose(dense, dense_of_all, atol=1e-6)


def test_weights_of_four_pixels_made_two() -> None:
    starts, weights = triangle_weights(4, 2, 0, 2)
    dense = np.zeros((2, 4))
    for line, start, own in zip(dense, starts, weights, strict=True):
        line[start : start + len(own)] = own
    np.testing.assert_allclose(dense * 7, [[3, 3, 1, 0], [0, 1, 3, 3]], atol=1e-5)


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize(("source", "size"), [(256, 224), (256, 96), (100, 17), (64, 128), (50, 50), (3, 16)])
def test_a_resized_image_is_pils(source: int, size: int, channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (source, source, channels), np.uint8)
    found, expected = resized(image, size).astype(int), pil_resize(image, size)
    assert found.shape == (size, size, channels)
    assert np.abs(found - expected).max() <= 1  # PIL rounds after each direction
    part = resized(image, size, 2, size - 5).astype(int)
    apart = np.abs(part - found[2 : size - 3, 2 : size - 3])
    assert apart.max() <= 1 and apart.mean() < 1e-3  # equal but for a rounding here and there


def test_white_stays_white() -> None:
    white = np.full((77, 77, 3), 255, np.uint8)
    for size in (20, 77, 100):
        assert (resized(white, size) == 255).all()
