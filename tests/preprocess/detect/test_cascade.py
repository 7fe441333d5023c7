"""The batched MTCNN against facenet-pytorch's own, and photos that break the latter."""

import math
import os
import weakref
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from facenet_pytorch import MTCNN
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from skimage.data import astronaut
from torch.nn.functional import adaptive_avg_pool2d, max_pool2d, prelu

from faces.sample.people import person_look, photo_shot
from faces.sample.portrait import portrait
from preprocess.detect.mtcnn import networks
from preprocess.detect.mtcnn.areas import Areas, TableAreas
from preprocess.detect.mtcnn.cascade import PIXELS_TOGETHER, Cascade, Found
from preprocess.detect.mtcnn.kernels import best_of_each

PHOTOS = Path(os.environ.get("FACEFOLD_PHOTOS", "no-photos"))


@cache
def cascade() -> Cascade:
    return Cascade()


@cache
def facenet(min_face: int) -> MTCNN:
    return MTCNN(min_face_size=min_face, keep_all=True)


@cache
def drawn() -> list[np.ndarray]:
    """24 portraits, bare, worn and worn wrongly."""
    return [
        portrait(person_look(5, i, i % 2 == 0, 20 + 2 * i), photo_shot(5, i, i % 7, i % 3))
        for i in range(1, 25)
    ]


def pairs(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of each with each, in double precision."""
    low = np.maximum(one[:, None, :2], other[:, :2])
    size = np.clip(np.minimum(one[:, None, 2:], other[:, 2:]) - low, 0, None)
    common = size.prod(2, dtype=np.float64)
    areas = [(b[:, 2:] - b[:, :2]).prod(1, dtype=np.float64) for b in (one, other)]
    return common / (areas[0][:, None] + areas[1] - common)


def agree(found: Found, photo: np.ndarray, min_face: int) -> int:
    """Asserts that the faces of a photo are facenet-pytorch's; how many that one finds."""
    boxes, scores, landmarks = facenet(min_face).detect(photo, landmarks=True)
    if boxes is None:
        assert len(found.boxes) == len(found.scores) == len(found.landmarks) == 0
        return 0
    boxes, landmarks = boxes.astype(float), landmarks.astype(float)
    assert len(found.boxes) == len(boxes)
    overlap = pairs(boxes, found.boxes)
    match = overlap.argmax(1)
    assert sorted(match) == list(range(len(boxes)))
    assert overlap.max(1).min() > 0.99 and overlap.max(1).mean() > 0.999
    np.testing.assert_allclose(found.landmarks[match], landmarks, atol=0.1)
    np.testing.assert_allclose(found.scores[match], scores.astype(float), atol=1e-3)
    return len(boxes)


@pytest.mark.parametrize("min_face", [20, 60])
def test_drawn_people_have_the_faces_that_facenet_finds(min_face: int) -> None:
    photos = drawn() if min_face == 60 else drawn()[::3]
    found = cascade()(photos, min_face=min_face)
    faces = [agree(one, photo, min_face) for one, photo in zip(found, photos, strict=True)]
    assert np.mean(np.array(faces) >= 1) > 0.9


@pytest.mark.parametrize("min_face", [20, 33, 60])
def test_the_astronaut_has_the_faces_that_facenet_finds(min_face: int) -> None:
    for photo in (astronaut(), astronaut()[:301, 60:403], astronaut()[::2, ::2]):
        assert agree(cascade()([photo], min_face=min_face)[0], photo, min_face) >= 1


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no real photos here: FACEFOLD_PHOTOS names no folder")
@pytest.mark.parametrize("folder", [".", "contest", "masks", "portraits"])
def test_real_photos_have_the_faces_that_facenet_finds(folder: str) -> None:
    if not (PHOTOS / folder).is_dir():
        pytest.skip(f"no folder {folder} in {PHOTOS}")
    files = sorted(f for f in (PHOTOS / folder).rglob("*.jpg") if f.name[0] != ".")
    assert files, f"no photos in {PHOTOS / folder}"
    for file in files[:: max(1, len(files) // 6)]:
        with Image.open(file) as image:
            image.thumbnail((512, 512))
            photo = np.asarray(image.convert("RGB"))
        [found] = cascade()([photo], min_face=40)
        assert len(found.boxes) == agree(found, photo, 40), file


def test_the_largest_face_comes_first() -> None:
    scene = np.concatenate([np.pad(astronaut()[::2, ::2], ((0, 256), (0, 0), (0, 0))), astronaut()], 1)
    boxes = cascade()([scene], min_face=20)[0].boxes
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    assert len(areas) >= 2 and (np.diff(areas) <= 0).all()


@pytest.mark.parametrize("min_face", [20, 60])
def test_faces_do_not_depend_on_their_batch(min_face: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, drawn()[0].shape, np.uint8)
    photos = [drawn()[0], np.full_like(noise, 128), drawn()[1], noise, drawn()[2], drawn()[3]]
    together = cascade()(photos, min_face=min_face)
    assert len(together) == 6 and len(together[1].boxes) == 0
    for photo, found in zip(photos, together, strict=True):
        [alone] = cascade()([photo], min_face=min_face)
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=0.1)
        np.testing.assert_allclose(alone.landmarks, found.landmarks, atol=0.1)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-3)


def test_stripes_and_chunks_do_not_change_the_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    [whole] = cascade()([astronaut()], min_face=20)
    monkeypatch.setitem(networks.STRIPE_PIXELS, "cpu", 5_000)
    monkeypatch.setitem(networks.CHUNK, "cpu", {24: 3, 48: 1})
    [pieces] = cascade()([astronaut()], min_face=20)
    np.testing.assert_allclose(pieces.boxes, whole.boxes, atol=0.01)


def test_many_photos_are_searched_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    together = cascade()(drawn()[:5], min_face=60)
    monkeypatch.setitem(PIXELS_TOGETHER, "cpu", 2 * drawn()[0][..., 0].size)
    few = Cascade()(drawn()[:5], min_face=60)
    assert len(few) == 5
    for one, other in zip(few, together, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.1)


@pytest.mark.parametrize(
    "shape", [(640, 1), (1, 640), (1, 1), (12, 12), (19, 300), (20, 20), (21, 20), (60, 60), (13, 640)]
)
def test_small_and_thin_photos_have_no_face_and_do_no_harm(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    photos = [np.zeros((*shape, 3), np.uint8), rng.integers(0, 256, (*shape, 3), np.uint8)]
    for min_face in (12, 20, 60):
        for found in cascade()(photos, min_face=min_face):
            assert found.boxes.shape == (len(found.scores), 4)
            assert found.landmarks.shape == (len(found.scores), 5, 2)
            assert min(shape) >= min_face or len(found.scores) == 0


def test_candidates_beyond_the_photo_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corrections that push every candidate far to the right leave none within the photo."""

    class Astray:
        def __init__(self, network: networks.Proposer) -> None:
            self.network = network

        def __call__(self, level: torch.Tensor) -> tuple[torch.Tensor, ...]:
            places, scores, corrections = self.network(level)
            return places, scores, corrections + 100

    astray = Cascade()
    monkeypatch.setattr(astray, "_proposer", Astray(astray._proposer))
    assert len(astray([astronaut()], min_face=40)[0].boxes) == 0
    assert len(cascade()([astronaut()], min_face=40)[0].boxes) == 1


CORNERS = np.array([[0, 0, 70, 90], [5, 7, 6, 8], [10, 20, 40, 33], [69, 0, 70, 90], [3, 3, 50, 60]])


@pytest.mark.parametrize("table", [False, True])
def test_a_crop_is_torchs_area_average(table: bool) -> None:
    photo = np.random.default_rng(2).integers(0, 256, (90, 70, 3), np.uint8)
    photos, sizes = [255 - photo, photo], [(31, 47)]
    areas = TableAreas(photos, sizes, "cpu") if table else Areas(photos, sizes)
    crops = areas.crops(np.ones(len(CORNERS), np.int64), CORNERS, 24)
    assert crops.is_contiguous(memory_format=torch.channels_last)
    for crop, (left, top, right, bottom) in zip(crops, CORNERS, strict=True):
        part = torch.from_numpy(photo[top:bottom, left:right]).permute(2, 0, 1).float()
        expected = adaptive_avg_pool2d(part, (24, 24)) / 128
        torch.testing.assert_close(crop, expected, rtol=0, atol=1e-6)
    whole = torch.from_numpy(photo).permute(2, 0, 1).float()
    expected = adaptive_avg_pool2d(whole, (31, 47)) / 128
    torch.testing.assert_close(areas.levels[0][1], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("table", [False, True])
def test_sums_may_wrap_around(table: bool) -> None:
    white = np.full((3000, 3000, 3), 255, np.uint8)  # 2,295 million in all: beyond 31 bits
    areas = TableAreas([white], [(30, 30)], "cpu") if table else Areas([white], [(30, 30)])
    crop = areas.crops(np.zeros(1, np.int64), np.array([[2900, 2900, 3000, 3000]]), 24)
    torch.testing.assert_close(crop, torch.full((1, 3, 24, 24), 255 / 128))
    torch.testing.assert_close(areas.levels[0], torch.full((1, 3, 30, 30), 255 / 128))


class Card:
    """A GPU made of the CPU: the GPU's arithmetic and its amounts, and memory for so many pixels of photos,
    counted while anything holds what was computed of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pixels: float = math.inf, words: str = "") -> None:
        self.pixels, self.words = pixels, words
        self.held, self.tried, self.proposed = 0, [], networks.propose

        def rectified(values: torch.Tensor, slope: torch.Tensor, pool: int = 0) -> torch.Tensor:
            return networks.rectified_by_torch(values, slope, pool)

        monkeypatch.setattr("preprocess.detect.mtcnn.areas.look_at", self.look_at)
        monkeypatch.setattr(networks, "rectified", rectified)
        monkeypatch.setattr(networks, "propose", self.propose)
        for amounts in (networks.STRIPE_PIXELS, networks.CHUNK, PIXELS_TOGETHER):
            monkeypatch.setitem(amounts, "cpu", amounts["cuda"])

    def look_at(self, photos: list[np.ndarray], sizes: list[tuple[int, int]], *_: object) -> TableAreas:
        areas = TableAreas(photos, sizes, "cpu")
        self.tried.append(len(photos))
        self.held += (pixels := sum(photo[..., 0].size for photo in photos))
        weakref.finalize(areas, lambda: setattr(self, "held", self.held - pixels))
        return areas

    def propose(self, *arguments: Any) -> Any:
        if self.held > self.pixels:
            raise RuntimeError(self.words) if self.words else torch.OutOfMemoryError("CUDA out of memory.")
        return self.proposed(*arguments)


def assert_alike(found: list[Found], expected: list[Found]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.01)
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.01)


def test_a_gpus_arithmetic_gives_the_same_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [astronaut(), astronaut()[:, ::-1].copy()]
    expected = cascade()(photos, min_face=20)
    card = Card(monkeypatch)
    assert_alike(Cascade()(photos, min_face=20), expected)
    assert card.tried == [2]


@pytest.mark.parametrize("words", ["", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"])
def test_photos_that_do_not_fit_together_are_searched_in_halves(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    photos = drawn()[:7]
    one = photos[0][..., 0].size
    expected = cascade()(photos, min_face=60)
    card = Card(monkeypatch, pixels=2.5 * one, words=words)
    small = Cascade()
    assert_alike(small(photos, min_face=60), expected)
    assert card.tried == [7, 3, 1, 1, 1, 1, 1, 1, 1]
    assert card.held == 0
    assert_alike(small(photos[:2], min_face=60), expected[:2])
    assert card.tried[9:] == [1, 1], "what did not fit once is not tried again"


def test_a_photo_that_does_not_fit_alone_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    Card(monkeypatch, pixels=1)
    with pytest.raises(ValueError, match=r"has no memory left for a photo of 384 x 512; .*--device cpu$"):
        Cascade()(drawn()[:2], min_face=60)


def test_an_error_that_is_no_lack_of_memory_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch, pixels=1, words="an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        Cascade()(drawn()[:2], min_face=60)
    assert card.tried == [2]


def test_convolutions_keep_cudnn_and_leave_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    searching = Cascade()
    search = searching._search

    def look(*arguments: Any) -> list[Found]:
        backend = torch.backends.cudnn
        seen.append((backend.enabled, backend.allow_tf32, backend.conv.fp32_precision))
        return search(*arguments)

    monkeypatch.setattr(searching, "_search", look)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    searching(drawn()[:1], min_face=60)
    assert seen == [(True, False, "ieee")]
    assert torch.backends.cudnn.enabled and torch.backends.cudnn.allow_tf32


@pytest.mark.gpu
def test_a_gpus_convolutions_are_in_full_precision() -> None:
    """TF32 keeps 10 bits of a fraction and would be off by a thousandth."""
    torch.manual_seed(0)
    values, weight = torch.randn(8, 32, 40, 40, device="cuda"), torch.randn(64, 32, 3, 3, device="cuda")
    exact = torch.nn.functional.conv2d(values.double(), weight.double())
    with Cascade(device="cuda")._exact():
        found = torch.nn.functional.conv2d(values, weight)
    assert float((found - exact).abs().max() / exact.abs().max()) < 1e-5


@pytest.mark.gpu
def test_a_full_gpu_halves_the_batch_and_finds_the_same_faces() -> None:
    photos = drawn() * 6
    expected = Cascade(device="cuda")(photos, min_face=20)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 500 * 2**20) / total)
    try:
        small = Cascade(device="cuda")
        found = small(photos, min_face=20)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert small._pixels < PIXELS_TOGETHER["cuda"]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("min_face", [20, 60])
def test_a_gpu_finds_the_same_faces(min_face: int) -> None:
    expected = cascade()(drawn(), min_face=min_face)
    for one, other in zip(Cascade(device="cuda")(drawn(), min_face=min_face), expected, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=0.5)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 7, 300, 700]), st.sampled_from([0.3, 0.5, 0.7]))
def test_suppression_is_torchvisions(seed: int, count: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 60, (count, 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + rng.integers(0, 40, (count, 2))], 1, dtype=np.float32)
    scores = rng.integers(0, 50, count).astype(np.float32) / 50
    expected = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), limit)
    assert best_of_each(boxes, scores, limit).tolist() == expected.tolist()


def test_groups_are_suppressed_each_by_itself() -> None:
    """Groups of no box, of one, and of more than are refined at once."""
    rng = np.random.default_rng(3)
    group = rng.permutation(np.repeat([0, 2, 3, 5, 6, 7], [1, 200, 2, 64, 65, 30]))
    corner = rng.integers(0, 30, (len(group), 2)).astype(np.float32)
    boxes = np.concatenate([corner, corner + rng.integers(1, 30, (len(group), 2))], 1, dtype=np.float32)
    scores = rng.integers(0, 50, len(group)).astype(np.float32) / 50
    for inside in (False, True):
        members = [np.flatnonzero(group == number) for number in range(8)]
        alone = [m[best_of_each(boxes[m], scores[m], 0.5, inside=inside)] for m in members]
        together = best_of_each(boxes, scores, 0.5, group, inside=inside)
        assert together.tolist() == np.concatenate(alone).tolist()


@pytest.mark.parametrize("pool", [0, 2, 3])
@pytest.mark.parametrize("shape", [(3, 3), (4, 7), (9, 8), (22, 21)])
def test_prelu_and_pooling_are_torchs(pool: int, shape: tuple[int, int]) -> None:
    values = torch.randn(2, 5, *shape).contiguous(memory_format=torch.channels_last)
    slope = torch.tensor([0.3, -0.5, 0.0, 1.0, -2.0])
    expected = prelu(values, slope)
    if pool:
        expected = max_pool2d(expected, pool, 2, ceil_mode=True)
    assert torch.equal(networks.rectified_by_torch(values, slope, pool), expected)
    found = networks.rectified(values, slope, pool)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_a_box_inside_of_another_is_the_same_face() -> None:
    boxes = np.array([[0, 0, 99, 99], [10, 10, 29, 29], [85, 0, 120, 99]], np.float32)
    scores = np.array([0.8, 0.9, 0.7], np.float32)
    assert best_of_each(boxes, scores, 0.7).tolist() == [1, 0, 2]
    assert best_of_each(boxes, scores, 0.7, inside=True).tolist() == [1, 2]


def test_of_equal_scores_the_first_is_kept_and_of_those_inside_the_last() -> None:
    boxes = np.array([[0, 0, 50, 50], [0, 0, 50, 51], [0, 0, 50, 52]], np.float32)
    assert best_of_each(boxes, np.ones(3, np.float32), 0.7).tolist() == [0]
    assert best_of_each(boxes, np.ones(3, np.float32), 0.7, inside=True).tolist() == [2]


def test_the_callers_threads_are_left_alone() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        two = cascade()([astronaut()], min_face=60)[0]
        assert torch.get_num_threads() == 2
        torch.set_num_threads(1)
        one = cascade()([astronaut()], min_face=60)[0]
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(one.boxes, two.boxes) and np.array_equal(one.landmarks, two.landmarks)
