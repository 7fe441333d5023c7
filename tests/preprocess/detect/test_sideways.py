"""The search of photos that lie on a side or on their head."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from skimage.data import astronaut

from faces.framing.face import TURNS, Face, Turn
from faces.framing.sideways import roll
from faces.framing.square import face_square
from preprocess.crop.cut import cut
from preprocess.detect.search import Finder
from preprocess.settings import PreprocessSettings
from preprocess.sources.photo import Pixels
from tests.helpers.faces import landmarks


@cache
def finder(**settings: object) -> Finder:
    return Finder(PreprocessSettings(data=Path("data"), cache=Path("cache"), device="cpu", **settings))  # type: ignore[arg-type]


@cache
def portrait() -> Pixels:
    return np.ascontiguousarray(astronaut()[0:330, 90:370])


def lying(turn: Turn, photo: Pixels | None = None) -> Pixels:
    """The portrait turned clockwise."""
    return np.ascontiguousarray(np.rot90(portrait() if photo is None else photo, -turn // 90))


@pytest.mark.parametrize("turn", TURNS)
def test_a_face_is_found_however_its_photo_lies(turn: Turn) -> None:
    [[upright]] = finder()([portrait()])
    [[face]] = finder()([lying(turn)])
    assert face.turned == turn
    assert face.detector == ("mtcnn-turned" if turn else "mtcnn")
    expected = upright.turned_back(turn, *lying(turn).shape[:2])
    np.testing.assert_allclose(face.box, expected.box, atol=2)
    np.testing.assert_allclose(face.landmarks, expected.landmarks, atol=2)
    crops = [
        cut(photo, face_square(one.box, 0.25, one.turned, (photo.shape[0], photo.shape[1])), 64).astype(int)
        for photo, one in ((portrait(), upright), (lying(turn), face))
    ]
    assert np.abs(crops[0] - crops[1]).mean() < 4, "the same head, to a pixel of the photo"


def test_photos_that_lie_otherwise_are_searched_together() -> None:
    """Upright and on the head, both of one size, beside one without a face."""
    wall = np.full_like(portrait(), 120)
    found = finder()([portrait(), lying(180), wall, lying(180)])
    assert [[face.turned for face in faces] for faces in found] == [[0], [180], [], [180]]
    assert found[1] == found[3]


@pytest.mark.parametrize("turn", TURNS[1:])
def test_without_the_step_no_photo_is_turned(turn: Turn) -> None:
    [found] = finder(steps=("mtcnn", "again"))([lying(turn)])
    assert all(face.turned == 0 for face in found)


def test_every_face_of_a_turned_photo_is_found() -> None:
    two = np.concatenate([portrait(), portrait()[:, ::-1]], axis=1)
    [found] = finder(faces="all")([lying(90, two)])
    assert [face.turned for face in found] == [90, 90] and found[0].faces == 2
    heights = sorted((face.box[1] + face.box[3]) / 2 for face in found)
    assert heights[0] < 280 < heights[1], "side by side before, one above the other now"


def test_a_certain_upright_face_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the step costs where it has nothing to do: nothing."""
    search = finder()
    search([portrait()])  # loads the cascade

    def never(*_: object) -> None:
        raise AssertionError("looked at again")

    monkeypatch.setattr(search._cascade, "face_scores", never)
    [[face]] = search([portrait()])
    assert face.turned == 0 and face.score > 0.99


def test_half_a_face_at_the_edge_is_kept_and_its_crop_lies_inside() -> None:
    """The portrait, cut off in the middle of the face, and where only a third is left: the box runs on."""
    for half in (portrait()[:, 105:], portrait()[:, :150]):
        photo = np.ascontiguousarray(half)
        height, width = photo.shape[:2]
        [face] = finder(faces="all", steps=("mtcnn",))([photo])[0]
        assert (face.box[0] < 0) != (face.box[2] > width) and face.score > 0.99
        left, top, side, _ = face_square(face.box, 0.25, 0, (height, width))
        assert left in (0, width - side) and 0 <= top <= height - side
        best = finder(steps=("mtcnn",))([photo])[0]
        assert best == (() if face.is_half(height, width) else (face,)), "the photo is about another"
    assert face.is_half(height, width), "the second, whose centre is gone"


@pytest.mark.parametrize("degrees", [-170, -90, -30, 0, 44, 90, 179])
def test_the_roll_of_a_face_in_numbers(degrees: float) -> None:
    face = Face((0.0, 0.0, 100.0, 100.0), landmarks(50, 50, 100, degrees), 0.9)
    assert roll(face) == pytest.approx(degrees, abs=1e-6)
