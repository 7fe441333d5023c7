"""The arithmetic of the predictor that is exported, beside that of preprocessing."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.crop import cut as cutting
from preprocess.crop import square as crop
from preprocess.detect import sideways
from preprocess.detect.face import TURNS, Turn, weigh_faces
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


@given(seed=st.integers(0, 2**31))
def test_faces_come_in_the_same_order_as_in_preprocessing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(0, 5))
    corner = rng.uniform(-30, 90, (count, 2))
    boxes = np.hstack([corner, corner + rng.uniform(1, 40, (count, 2))]).astype(np.float32)
    scores = rng.uniform(0.7, 1, count).astype(np.float32)
    points = rng.uniform(0, 90, (count, 5, 2)).astype(np.float32)
    best = predict.weigh_faces(boxes, scores, points, 100, 80, False)
    assert [face.box for face in best] == [face.box for face in weigh_faces(boxes, scores, points, 100, 80)]
    theirs = weigh_faces(boxes, scores, points, 100, 80, every=True)
    mine = predict.weigh_faces(boxes, scores, points, 100, 80, True)
    assert [face[:3] for face in mine] == [(face.box, face.landmarks, face.score) for face in theirs]
    turned = [[face.turned_back(turn, 100, 80) for turn in TURNS[1:]] for face in theirs]
    for face, others in zip(mine, turned, strict=True):
        for other in others:
            again = predict.turned_back(face, other.turned, 100, 80)
            assert again == (other.box, other.landmarks, other.score, other.turned)


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
    square = crop.face_square(box, 0.25, turned, photo)
    shown, upright = predict.upright(pixels, predict.Face(box, turned=turned))
    bounds = (shown.shape[0], shown.shape[1]) if clamp else None
    mine = predict.cut(shown, *predict.face_square(upright, 0.25, bounds), 64)
    off = np.abs(mine.astype(int) - cutting.cut(pixels, square, 64, "repeat"))
    assert off.max() <= 1
    assert off.mean() < 0.01, "what PIL rounds in between is rounded here, too"


def test_without_a_face_and_as_they_are_photos_are_cut_as_in_preprocessing() -> None:
    for height, width in ((120, 100), (31, 77), (1, 9)):
        assert predict.centre_square(height, width) == crop.centre_square(height, width)[:3]
        assert predict.whole_square(height, width) == crop.whole_square(height, width)[:3]


def test_sideways_faces_are_looked_for_by_the_same_rule() -> None:
    for name in ("LOW", "CLEAR", "SURE", "ROLL", "SMALL"):
        assert getattr(predict, name) == getattr(sideways, name)


def test_windows_of_an_area_average() -> None:
    low, high = predict.windows(np.array([0]), np.array([5]), 2)
    assert (low.tolist(), high.tolist()) == ([[0, 2]], [[3, 5]])
    row = np.arange(5, dtype=np.uint8)[None, :, None].repeat(3, 2)
    table = cv2.integral(row, sdepth=cv2.CV_64F)
    means = predict.averages(table, np.array([[0, 0, 5, 1]]), 1, 2)[0, 0, 0] * 128 + 127.5
    np.testing.assert_allclose(means, [1, 3], atol=1e-5)
