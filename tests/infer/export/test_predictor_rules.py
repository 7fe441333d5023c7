"""The arithmetic of the predictor that is exported, beside that of preprocessing."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.framing.face import TURNS, Turn
from faces.framing.square import face_square
from preprocess.crop import cut as cutting
from preprocess.detect.mtcnn.kernels import best_of_each
from tests.helpers.pictures import picture
from tests.infer.export.program import predict


@given(seed=st.integers(0, 2**31), inside=st.booleans(), limit=st.sampled_from([0.3, 0.5, 0.7]))
def test_overlapping_boxes_are_dropped_as_in_preprocessing(seed: int, inside: bool, limit: float) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 20, (30, 2))
    boxes = np.hstack([corner, corner + rng.integers(5, 20, (30, 2))]).astype(np.float32)
    scores = rng.integers(7, 10, 30).astype(np.float32) / 9  # with ties
    mine = predict.best_boxes(boxes, scores, limit, inside=inside)
    assert mine.tolist() == best_of_each(boxes, scores, limit, inside=inside).tolist()


@pytest.mark.parametrize("clamp", [False, True])
@pytest.mark.parametrize("turned", TURNS)
@pytest.mark.parametrize(
    "box", [(10.0, 20.0, 60.5, 90.0), (-30.0, -8.0, 70.0, 130.0), (5.0, 5.0, 9.0, 9.0), (70, 90, 99, 119)]
)
def test_crops_are_those_of_preprocessing(
    box: tuple[float, float, float, float], turned: Turn, clamp: bool
) -> None:
    pixels = picture(120, 100, seed=3)
    photo = (120, 100) if clamp else None
    square = face_square(box, 0.25, turned, photo)
    mine = predict.cut(pixels, predict.face_square(box, 0.25, turned, photo), 64)
    np.testing.assert_array_equal(mine, cutting.cut(pixels, square, 64, "repeat"))


def test_windows_of_an_area_average() -> None:
    low, high = predict.windows(np.array([0]), np.array([5]), 2)
    assert (low.tolist(), high.tolist()) == ([[0, 2]], [[3, 5]])
    row = np.arange(5, dtype=np.uint8)[None, :, None].repeat(3, 2)
    table = cv2.integral(row, sdepth=cv2.CV_64F)
    means = predict.averages(table, np.array([[0, 0, 5, 1]]), 1, 2)[0, 0, 0] * 128 + 127.5
    np.testing.assert_allclose(means, [1, 3], atol=1e-5)
