"""Squares around faces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.framing.face import TURNS, Turn
from faces.framing.square import Square, centre_square, face_square, whole_square
from preprocess.crop.square import aligned_square, distances_outside, true_share
from tests.helpers.faces import landmarks

BOX = (100.0, 80.0, 180.0, 180.0)
Box = tuple[float, float, float, float]
tenths = st.integers(-1000, 4000).map(lambda value: value / 10)
sides = st.integers(1, 4000).map(lambda value: value / 10)
boxes = st.tuples(tenths, tenths, sides, sides).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
shapes = st.tuples(st.integers(1, 400), st.integers(1, 400))
"""Height and width."""


def test_the_square_around_a_face_in_numbers() -> None:
    assert face_square(BOX, 0.25) == Square(65, 50, 150)
    assert face_square(BOX, 0.0) == Square(90, 75, 100)
    assert face_square(BOX, 0.25).box == (65, 50, 215, 200)
    assert face_square(BOX, 0.25).centre == (140, 125)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
def test_the_square_moves_and_grows_with_the_box(margin: float) -> None:
    left, top, side, _ = face_square((40.0, 40.0, 120.0, 140.0), margin)
    assert face_square((50.0, 43.0, 130.0, 143.0), margin) == (left + 10, top + 3, side, 0)
    doubled = face_square((80.0, 80.0, 240.0, 280.0), margin)
    np.testing.assert_allclose(doubled, (2 * left, 2 * top, 2 * side, 0), atol=1)


@pytest.mark.parametrize(
    ("height", "width"), [(512, 384), (384, 512), (100, 100), (1, 300), (300, 1), (1, 1)]
)
def test_the_square_without_a_face_lies_inside_the_photo(height: int, width: int) -> None:
    left, top, side, angle = centre_square(height, width)
    assert side >= 1 and angle == 0
    assert 0 <= left <= width - side and 0 <= top <= height - side
    assert abs(left + side / 2 - width / 2) <= 0.5


def test_the_square_without_a_face_in_numbers() -> None:
    assert centre_square(512, 384) == Square(19, 57, 346)


@pytest.mark.parametrize("degrees", [-170, -30, 0, 4.5, 90])
@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_alignment_finds_the_turn_shift_and_scale_of_the_landmarks(degrees: float, margin: float) -> None:
    square = aligned_square(BOX, landmarks(140, 125, 90, degrees), margin)
    assert square.angle == pytest.approx(degrees, abs=0.01)
    assert square.side == pytest.approx(90 * (1 + 2 * margin), abs=0.1)
    np.testing.assert_allclose(square.centre, (140, 125), atol=0.1)


def test_an_aligned_square_is_the_upright_one_for_a_face_like_the_template() -> None:
    np.testing.assert_allclose(
        aligned_square(BOX, landmarks(140, 125, 100, 0), 0.25), face_square(BOX, 0.25), atol=0.1
    )


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    points = np.array(landmarks(140, 125, 100, 20)).reshape(5, 2)
    mirrored = points[[1, 0, 2, 4, 3]] * (-1, 1) + (280, 0)
    square = aligned_square(BOX, tuple(mirrored.ravel()), 0.25)
    assert square.angle == pytest.approx(-20, abs=0.1) and square.side == pytest.approx(150, abs=0.2)


@pytest.mark.parametrize(
    "points",
    [(50.0,) * 10, (float("nan"),) * 10, landmarks(140, 125, 40, 0)],
    ids=["one point", "none", "a face much smaller than the box"],
)
def test_landmarks_that_are_no_face_leave_the_square_upright(points: tuple[float, ...]) -> None:
    assert aligned_square(BOX, points, 0.25) == face_square(BOX, 0.25)


@given(box=boxes, shape=shapes, margin=st.sampled_from([0.0, 0.1, 0.25, 1.0]), turned=st.sampled_from(TURNS))
def test_a_clamped_square_lies_inside_and_is_as_large_as_can_be(
    box: Box, shape: tuple[int, int], margin: float, turned: Turn
) -> None:
    free, clamped = face_square(box, margin, turned), face_square(box, margin, turned, shape)
    left, top, right, bottom = clamped.box
    assert left >= 0 and top >= 0 and right <= shape[1] and bottom <= shape[0]
    assert clamped.side == min(free.side, *shape) and clamped.angle == turned
    assert true_share(clamped, *shape) == 1
    if true_share(free, *shape) == 1:
        assert clamped == free


@given(box=boxes, shape=shapes, margin=st.sampled_from([0.1, 0.25, 1.0]), turned=st.sampled_from(TURNS))
def test_a_clamped_square_holds_what_the_photo_shows_of_the_face(
    box: Box, shape: tuple[int, int], margin: float, turned: Turn
) -> None:
    """Where that fits: to the pixel, as squares lie on whole ones."""
    square = face_square(box, margin, turned, shape)
    for low, high, end, first in zip(box[:2], box[2:], shape[::-1], square[:2], strict=True):
        low, high = min(max(low, 0), end), min(max(high, 0), end)
        if high - low <= square.side:
            assert first <= low + 1 and high - 1 <= first + square.side


def test_clamping_in_numbers() -> None:
    assert face_square(BOX, 0.25, 0, (500, 160)) == Square(10, 50, 150)
    assert face_square(BOX, 0.25, 0, (190, 500)) == Square(65, 40, 150)
    assert face_square(BOX, 0.25, 0, (500, 500)) == Square(65, 50, 150)
    # The centre stays 5 above the face's where there is room, and 2 where 104 pixels hold a face of 100.
    assert face_square((50.0, 100.0, 150.0, 200.0), 0.25, 0, (300, 120)) == Square(0, 85, 120)
    assert face_square((50.0, 100.0, 150.0, 200.0), 0.25, 0, (300, 104)) == Square(0, 96, 104)


@given(
    box=boxes, step=st.tuples(st.integers(-300, 300), st.integers(-300, 300)), turned=st.sampled_from(TURNS)
)
def test_the_square_moves_with_the_face_by_whole_pixels(
    box: Box, step: tuple[int, int], turned: Turn
) -> None:
    moved = tuple(round(edge + shift, 1) for edge, shift in zip(box, step * 2, strict=True))
    left, top, side, angle = face_square(box, 0.25, turned)
    expected = Square(left + step[0], top + step[1], side, angle)
    assert face_square(moved, 0.25, turned) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("turned", "corner"), [(0, (65, 50)), (90, (70, 55)), (180, (65, 60)), (270, (60, 55))]
)
def test_the_forehead_is_where_the_turn_says(turned: Turn, corner: tuple[int, int]) -> None:
    """The centre is 5 nearer to it: above, on the right, below, on the left of the box's (140, 130)."""
    assert face_square(BOX, 0.25, turned) == Square(*corner, 150, turned)


def test_the_share_of_true_pixels_in_closed_form() -> None:
    assert true_share(Square(-50, -50, 100), 500, 500) == 0.25
    assert true_share(Square(0, 0, 100), 100, 100) == 1
    assert true_share(Square(-25, 10, 100), 500, 500) == 0.75
    assert true_share(Square(-50, -50, 200), 100, 100) == 0.25
    assert true_share(Square(200, 0, 50), 100, 100) == 0
    assert true_share(Square(-50, -50, 100, 270), 500, 500) == 0.25
    # A square on its tip, half of which lies to the left of the photo; and the photo's corner in its middle.
    assert true_share(Square(-50, 100, 100, 45), 500, 500) == pytest.approx(0.5, abs=0.01)
    assert true_share(Square(-50, -50, 100, 45), 500, 500) == pytest.approx(0.25, abs=0.01)


@given(
    square=st.tuples(*[st.integers(-90, 150)] * 2, st.integers(1, 150), st.integers(-359, 359)),
    shape=st.tuples(st.integers(1, 120), st.integers(1, 120)),
)
def test_the_share_of_true_pixels_is_a_count_of_them(
    square: tuple[int, int, int, int], shape: tuple[int, int]
) -> None:
    left, top, side, angle = square
    along = ((np.arange(200) + 0.5) / 200 - 0.5) * side
    place = complex(left + side / 2, top + side / 2) + np.exp(1j * np.radians(angle)) * (
        along + 1j * along[:, None]
    )
    inside = (place.real > 0) & (place.real < shape[1]) & (place.imag > 0) & (place.imag < shape[0])
    share = true_share(Square(*square), *shape)
    assert 0 <= share <= 1 and share == pytest.approx(inside.mean(), abs=0.03)


@pytest.mark.parametrize("angle", [0, 90, 180, 270, 33])
def test_distances_outside_the_photo(angle: float) -> None:
    distance = distances_outside(Square(-50, -50, 100, angle), 100, 500, 500)
    assert distance.shape == (100, 100)
    # The corner of the crop that lies farthest out is 50 beyond both edges, less half a pixel.
    if angle % 90 == 0:
        assert distance.max() == pytest.approx(np.hypot(49.5, 49.5) / 100)
        assert np.unravel_index(distance.argmax(), distance.shape) == {
            0: (0, 0),
            90: (99, 0),
            180: (99, 99),
            270: (0, 99),
        }.get(int(angle))
        assert (distance == 0).sum() == 2500
    else:
        assert (distance == 0).mean() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize(
    ("shape", "expected"), [((100, 60), (0, 20, 60)), ((5, 8), (1, 0, 5)), ((1, 1), (0, 0, 1))]
)
def test_the_whole_photo_is_its_largest_square(shape: tuple[int, int], expected: tuple[int, ...]) -> None:
    assert whole_square(*shape) == Square(*expected)
