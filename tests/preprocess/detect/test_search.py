"""The search for a face: which step finds what, and where."""

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from skimage.data import astronaut

from faces.framing.face import Face
from preprocess.detect.search import SHRUNK, VIEWS, Finder, mirror, shrink, stretch_contrast, unmirror
from preprocess.detect.yunet import YuNet
from preprocess.settings import PreprocessSettings

YUNET = Path(os.environ.get("FACEFOLD_YUNET", "face_detection_yunet_2023mar.onnx"))
GROUP = Path(os.environ.get("FACEFOLD_GROUP_PHOTO", "multiface.jpg"))
needs_yunet = pytest.mark.skipif(not YUNET.is_file(), reason="no model of YuNet: FACEFOLD_YUNET=file")


def finder(**settings: object) -> Finder:
    return Finder(PreprocessSettings(data=Path("data"), cache=Path("cache"), device="cpu", **settings))  # type: ignore[arg-type]


def shifted() -> list[np.ndarray]:
    """Five photos of one size: the face in three places, a blank wall, noise."""
    portrait = astronaut()
    photos = [np.ascontiguousarray(portrait[0:320, x : x + 320]) for x in (60, 80, 100)]
    blank = np.full((320, 320, 3), 128, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    return [photos[0], blank, photos[1], noise, photos[2]]


def hidden(photo: np.ndarray) -> np.ndarray:
    """So dark that MTCNN sees nothing in it."""
    return (photo // 12).astype(np.uint8)


def test_faces_do_not_depend_on_their_batch() -> None:
    search = finder()
    together = search(shifted())
    assert [len(found) for found in together] == [1, 0, 1, 0, 1]
    assert together == search(shifted())
    for photo, found in zip(shifted(), together, strict=True):
        for alone, face in zip(search([photo])[0], found, strict=True):
            assert alone.detector == face.detector == "mtcnn"
            np.testing.assert_allclose(alone.box, face.box, atol=0.11)
            np.testing.assert_allclose(alone.landmarks, face.landmarks, atol=0.11)


def test_the_astronaut_looks_at_us() -> None:
    [[face]] = finder()([astronaut()])
    assert face.score > 0.99 and face.faces == 1 and face.turned == 0
    left, top, right, bottom = face.box
    assert 160 < left < 190 < 250 < right < 290 and 50 < top < 80 < 170 < bottom < 210
    eyes_nose_mouth = np.reshape(face.landmarks, (5, 2))
    assert eyes_nose_mouth[0, 0] < eyes_nose_mouth[2, 0] < eyes_nose_mouth[1, 0]
    assert (eyes_nose_mouth[:2, 1] < eyes_nose_mouth[2, 1]).all()
    assert (eyes_nose_mouth[2, 1] < eyes_nose_mouth[3:, 1]).all()


def test_the_next_step_searches_only_what_the_last_one_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = shifted()
    searched: list[tuple[str, int]] = []
    search = finder()
    plain = search._mtcnn

    def spy(images: list[np.ndarray], name: str, min_face: int) -> list[tuple[Face, ...]]:
        searched.append((name, len(images)))
        return plain(images, name, min_face)

    monkeypatch.setattr(search, "_mtcnn", spy)
    search(photos)
    assert searched == [("mtcnn", 5), *((view.name, 2) for view in VIEWS)]


def test_a_face_in_the_dark_is_found_by_contrast_where_it_is() -> None:
    photo = astronaut()
    [[plain]] = finder()([photo])
    assert finder(steps=("mtcnn",))([hidden(photo)]) == [()]
    [[found]] = finder()([hidden(photo)])
    assert found.detector == "mtcnn-contrast"
    np.testing.assert_allclose(found.box, plain.box, atol=12)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_a_view_gives_the_face_in_the_pixels_of_the_photo(view: object) -> None:
    photo, search = astronaut(), finder(min_face=40)
    [[plain]] = search([photo])
    shown = view.show(photo)  # type: ignore[attr-defined]
    [[seen]] = search._mtcnn([shown], view.name, 20)  # type: ignore[attr-defined]
    face = view.back(seen, photo, shown)  # type: ignore[attr-defined]
    np.testing.assert_allclose(face.box, plain.box, atol=12)
    np.testing.assert_allclose(face.landmarks, plain.landmarks, atol=8)


def test_mirroring_twice_changes_nothing() -> None:
    face = Face((10.0, 0.0, 30.0, 20.0), (12.0, 5.0, 28.0, 6.0, 20.0, 10.0, 14.0, 15.0, 26.0, 16.0), 0.9, 1)
    mirrored = unmirror(face, 100)
    assert mirrored.box == (70.0, 0.0, 90.0, 20.0)
    assert mirrored.landmarks == (72.0, 6.0, 88.0, 5.0, 80.0, 10.0, 74.0, 16.0, 86.0, 15.0)
    assert unmirror(mirrored, 100) == face
    photo = astronaut()
    np.testing.assert_array_equal(mirror(mirror(photo)), photo)


def test_shrinking_keeps_shape_and_small_photos() -> None:
    assert shrink(np.zeros((512, 384, 3), np.uint8)).shape == (SHRUNK, 135, 3)
    np.testing.assert_array_equal(shrink(astronaut()[:90, :60]), astronaut()[:90, :60])


def test_contrast_spreads_the_levels_of_a_dull_photo() -> None:
    dull = (astronaut() // 8 + 100).astype(np.uint8)
    stretched = stretch_contrast(dull)
    assert stretched.std() > 1.5 * dull.std()
    assert stretched.shape == dull.shape and stretched.dtype == np.uint8


@pytest.mark.parametrize("shape", [(39, 300), (300, 12), (1, 1), (40, 40), (60, 61), (640, 1)])
def test_small_photos_have_no_face_and_do_no_harm(shape: tuple[int, int]) -> None:
    assert finder()([np.zeros((*shape, 3), np.uint8)] * 2) == [(), ()]


@needs_yunet
def test_yunet_finds_the_same_face() -> None:
    [[mtcnn]] = finder()([astronaut()])
    [[face]] = finder(steps=("yunet",), yunet=YUNET)([astronaut()])
    assert face.detector == "yunet"
    np.testing.assert_allclose(face.box, mtcnn.box, atol=15)
    np.testing.assert_allclose(face.landmarks, mtcnn.landmarks, atol=8)


@needs_yunet
def test_yunet_comes_last_and_only_where_its_model_is_given() -> None:
    photo = cv2.GaussianBlur(hidden(astronaut()), (0, 0), 3)
    assert finder(steps=("yunet",))([astronaut()]) == [()]
    [found] = finder(steps=("mtcnn", "yunet"), yunet=YUNET)([photo])
    assert all(face.detector == "yunet" for face in found)


def test_a_file_that_is_no_yunet_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=r"net.onnx: OpenCV cannot use it as face_detection_yunet"):
        YuNet(tmp_path / "net.onnx")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_an_error() -> None:
    search = Finder(replace(PreprocessSettings(data=Path("data"), cache=Path("cache")), device="cuda"))
    with pytest.raises(ValueError, match=r"device=cuda: torch sees no GPU"):
        search([astronaut()])


@pytest.mark.skipif(not GROUP.is_file(), reason="no photo of a group: FACEFOLD_GROUP_PHOTO=file")
def test_of_several_faces_the_large_central_one_is_chosen() -> None:
    import PIL.Image

    photo = np.asarray(PIL.Image.open(GROUP).convert("RGB"))
    [[face]] = finder()([photo])
    assert face.faces > 1
    left, _, right, _ = face.box
    assert abs((left + right) / 2 - photo.shape[1] / 2) < photo.shape[1] / 4
