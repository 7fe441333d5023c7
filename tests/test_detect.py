from functools import cache

import numpy as np
import pytest
import torch
from facenet_pytorch import MTCNN
from PIL import Image
from skimage.data import astronaut

from preprocess.detect import Detector, Face, choose_face, reduce_photo


def iou(a: np.ndarray, b: np.ndarray) -> float:
    a, b = np.asarray(a, float), np.asarray(b, float)
    size = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    areas = np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])
    return float(np.prod(size) / (areas - np.prod(size)))


def choose(
    boxes: list[tuple[float, ...]], scores: list[float], height: int = 400, width: int = 300
) -> Face | None:
    landmarks = np.arange(10.0 * len(boxes)).reshape(len(boxes), 5, 2)
    return choose_face(np.array(boxes, float).reshape(-1, 4), np.array(scores), landmarks, height, width)


MIDDLE = (100.0, 150.0, 200.0, 250.0)
EDGE = (0.0, 0.0, 100.0, 100.0)


def test_of_equal_faces_the_central_one_is_chosen() -> None:
    assert choose([EDGE, MIDDLE], [1.0, 1.0]) == Face(MIDDLE, tuple(np.arange(10.0, 20.0)), 1.0)


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


@cache
def detector() -> Detector:
    return Detector(min_face=40, device="cpu")


@cache
def shifted() -> list[np.ndarray]:
    """Five photos of one size: the face in three places, a blank wall, noise."""
    portrait = astronaut()
    photos = [np.ascontiguousarray(portrait[0:320, x : x + 320]) for x in (60, 80, 100)]
    blank = np.full((320, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    return [photos[0], blank, photos[1], noise, photos[2]]


def test_faces_are_those_of_facenet_one_photo_at_a_time() -> None:
    reference = MTCNN(min_face_size=40, keep_all=True, device=torch.device("cpu"))
    faces = detector()(shifted())
    assert [face is None for face in faces] == [False, True, False, True, False]
    for photo, face in zip(shifted(), faces, strict=True):
        boxes, scores = reference.detect(Image.fromarray(photo))
        assert (boxes is None) == (face is None)
        if face is not None:
            best = int(np.argmax(scores))
            assert iou(face.box, boxes[best]) > 0.995
            assert abs(face.score - scores[best]) < 1e-3


def test_faces_do_not_depend_on_their_batch() -> None:
    together = detector()(shifted())
    assert together == detector()(shifted())
    for alone, face in zip([detector()([photo])[0] for photo in shifted()], together, strict=True):
        if face is None:
            assert alone is None
        else:
            assert alone is not None
            np.testing.assert_allclose(alone.box, face.box, atol=0.11)
            np.testing.assert_allclose(alone.landmarks, face.landmarks, atol=0.11)


def test_the_astronaut_looks_at_us() -> None:
    [face] = detector()([astronaut()])
    assert face is not None and face.score > 0.99
    left, top, right, bottom = face.box
    assert 160 < left < 190 < 250 < right < 290 and 50 < top < 80 < 170 < bottom < 210
    eyes_nose_mouth = np.reshape(face.landmarks, (5, 2))
    assert eyes_nose_mouth[0, 0] < eyes_nose_mouth[2, 0] < eyes_nose_mouth[1, 0]
    assert (eyes_nose_mouth[:2, 1] < eyes_nose_mouth[2, 1]).all()
    assert (eyes_nose_mouth[2, 1] < eyes_nose_mouth[3:, 1]).all()


@pytest.mark.parametrize("shape", [(39, 300), (300, 12), (1, 1), (40, 40), (41, 300)])
def test_small_photos_have_no_face_and_do_no_harm(shape: tuple[int, int]) -> None:
    assert detector()([np.zeros((*shape, 3), np.uint8)] * 2) == [None, None]


def test_a_photo_that_breaks_the_detector_does_not_take_its_batch_along(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Brittle:
        def __init__(self, whole: MTCNN) -> None:
            self.whole = whole

        def detect(self, photos: np.ndarray, landmarks: bool) -> tuple[np.ndarray, ...]:
            if (photos == 128).all((1, 2, 3)).any():
                raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
            found: tuple[np.ndarray, ...] = self.whole.detect(photos, landmarks=landmarks)
            return found

    broken = Detector(min_face=40, device="cpu")
    monkeypatch.setattr(broken, "_mtcnn", Brittle(broken._mtcnn))
    faces = broken(shifted())
    assert [face is None for face in faces] == [False, True, False, True, False]


def test_lack_of_memory_is_not_taken_for_a_photo_without_a_face(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def detect(self, photos: np.ndarray, landmarks: bool) -> None:
            raise torch.OutOfMemoryError

    full = Detector(min_face=40, device="cpu")
    monkeypatch.setattr(full, "_mtcnn", Full())
    with pytest.raises(torch.OutOfMemoryError):
        full(shifted())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"device=cuda: torch sees no GPU"):
        Detector(min_face=40, device="cuda")
