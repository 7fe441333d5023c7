"""Which of several faces a photo is about, and where a face lies after a turn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faces.framing.face import TURNS, Face, Turn, reduce_photo, turn_back, weigh_faces


def weigh(
    boxes: list[tuple[float, ...]], scores: list[float], height: int = 400, width: int = 300, **every: bool
) -> tuple[Face, ...]:
    landmarks = np.arange(10.0 * len(boxes)).reshape(len(boxes), 5, 2)
    return weigh_faces(
        np.array(boxes, float).reshape(-1, 4), np.array(scores), landmarks, height, width, **every
    )


def choose(boxes: list[tuple[float, ...]], scores: list[float]) -> Face | None:
    found = weigh(boxes, scores)
    assert len(found) <= 1
    return found[0] if found else None


MIDDLE = (100.0, 150.0, 200.0, 250.0)
EDGE = (0.0, 0.0, 100.0, 100.0)


def test_of_equal_faces_the_central_one_is_chosen() -> None:
    assert choose([EDGE, MIDDLE], [1.0, 1.0]) == Face(MIDDLE, tuple(np.arange(10.0, 20.0)), 1.0, faces=2)


def test_a_much_larger_face_beats_a_central_one() -> None:
    # 4,800 for 100 x 100 at the edge; 900 for 30 x 30 in the middle.
    small = (135.0, 185.0, 165.0, 215.0)
    face = choose([small, EDGE], [1.0, 1.0])
    assert face is not None and face.box == EDGE


def test_the_weights_of_the_documented_example() -> None:
    # 4,800 at the edge: a middle face just above and just below that area.
    for area, wins in ((4_850, True), (4_750, False)):
        half = np.sqrt(area) / 2
        middle = (150 - half, 200 - half, 150 + half, 200 + half)
        face = choose([EDGE, middle], [1.0, 1.0])
        assert face is not None and (face.box != EDGE) == wins


def test_a_doubtful_face_loses_to_a_certain_one() -> None:
    slightly_larger = (98.0, 148.0, 202.0, 252.0)
    face = choose([slightly_larger, MIDDLE], [0.7, 1.0])
    assert face is not None and face.box == MIDDLE


def test_of_equal_weights_the_first_is_chosen() -> None:
    face = choose([MIDDLE, MIDDLE], [1.0, 1.0])
    assert face is not None and face.landmarks == tuple(np.arange(10.0))


def test_no_box_or_none_with_its_centre_in_the_photo_is_no_face() -> None:
    assert choose([], []) is None
    assert choose([(-200.0, 50.0, 50.0, 150.0)], [1.0]) is None
    assert choose([(50.0, 50.0, 20.0, 150.0)], [1.0]) is None


HALF = (-60.0, 50.0, 40.0, 150.0)
"""A box whose centre lies to the left of the photo, which shows 40 pixels of its 100."""


def test_every_face_that_shows_is_kept_the_half_ones_last() -> None:
    gone = (-100.0, 0.0, 0.0, 100.0)
    found = weigh([HALF, EDGE, gone, MIDDLE], [1.0, 0.9, 1.0, 1.0], every=True)
    assert [face.box for face in found] == [MIDDLE, EDGE, HALF]
    assert {face.faces for face in found} == {4} and found[1].score == 0.9
    assert found[0].landmarks == tuple(np.arange(30.0, 40.0)), "its own"
    assert [face.box for face in weigh([gone, HALF], [1.0, 1.0], every=True)] == [HALF]


edges = st.integers(-2000, 5000).map(lambda value: value / 10)
places = st.tuples(edges, edges, edges, edges)


@given(st.lists(st.tuples(places, st.sampled_from([0.7, 0.9, 1.0])), max_size=8))
def test_the_first_of_every_face_is_the_best(found: list[tuple[tuple[float, ...], float]]) -> None:
    boxes, scores = [box for box, _ in found], [score for _, score in found]
    every, best = weigh(boxes, scores, every=True), weigh(boxes, scores)
    half = [face.is_half(400, 300) for face in every]
    assert half == sorted(half), "half faces come last"
    assert best == every[: int(half[:1] == [False])]


def test_a_face_of_a_turned_photo_in_numbers() -> None:
    """A photo 100 wide and 40 high, searched after a quarter turn back: 40 wide, 100 high."""
    face = Face((10.0, 20.0, 30.0, 50.0), (12.0, 25.0, *(0.0,) * 8), 0.9)
    turned = face.turned_back(90, 40, 100)
    assert turned.box == (50.0, 10.0, 80.0, 30.0) and turned.landmarks[:4] == (75.0, 12.0, 100.0, 0.0)
    assert turned.turned == 90 and turned.score == 0.9
    # On its head: both coordinates count from the other end.
    assert face.turned_back(180, 100, 40).box == (10.0, 50.0, 30.0, 80.0)
    assert face.turned_back(270, 40, 100).box == (20.0, 10.0, 50.0, 30.0)
    assert face.turned_back(0, 40, 100) == face
    given = Face((10.0, 20.0, 30.0, 50.0), (), 1.0)
    assert given.turned_back(90, 40, 100).landmarks == ()


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    turn=st.sampled_from(TURNS),
)
def test_turning_a_face_is_the_inverse_of_turning_the_photo(
    shape: tuple[int, int], place: tuple[float, float], turn: Turn
) -> None:
    """A pixel of the photo that was turned back is where its face says, in the photo."""
    photo = np.arange(shape[0] * shape[1] * 3, dtype=np.uint8).reshape(*shape, 3)
    upright = turn_back(photo, turn)
    np.testing.assert_array_equal(upright, np.rot90(photo, turn // 90))
    row, column = (int(share * side) for share, side in zip(place, upright.shape, strict=False))
    x, y = column + 0.5, row + 0.5
    pixel = Face((float(column), float(row), column + 1.0, row + 1.0), (x, y) * 5, 1.0)
    found = pixel.turned_back(turn, *shape)
    left, top, right, bottom = found.box
    assert (right - left, bottom - top) == (1, 1)
    assert photo[int(top), int(left), 0] == upright[row, column, 0]
    assert found.landmarks == (left + 0.5, top + 0.5) * 5


def test_a_face_scales_to_the_photo_it_was_reduced_from() -> None:
    face = Face((10.0, 20.0, 30.0, 40.0), tuple(map(float, range(10))), 0.9)
    scaled = face.scaled(2.0, 3.0)
    assert scaled.box == (20.0, 60.0, 60.0, 120.0)
    assert scaled.landmarks == (0.0, 3.0, 4.0, 9.0, 8.0, 15.0, 12.0, 21.0, 16.0, 27.0)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((512, 384), (512, 384)), ((3000, 4000), (480, 640)), ((641, 640), (640, 639)), ((5000, 2), (640, 1))],
)
def test_reducing_keeps_the_shape(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    reduced = reduce_photo(np.full((*shape, 3), 9, np.uint8), 640)
    assert reduced.shape == (*expected, 3)
    assert (reduced == 9).all()
