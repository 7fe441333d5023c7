import numpy as np
import pytest

from preprocess.detect.face import Face, choose_face, reduce_photo


def choose(
    boxes: list[tuple[float, ...]], scores: list[float], height: int = 400, width: int = 300
) -> Face | None:
    landmarks = np.arange(10.0 * len(boxes)).reshape(len(boxes), 5, 2)
    return choose_face(np.array(boxes, float).reshape(-1, 4), np.array(scores), landmarks, height, width)


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
