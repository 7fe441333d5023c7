"""What is cut from a square of a photo."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from faces.framing.face import TURNS, Face, Turn, turn_back
from faces.framing.square import Square, face_square
from preprocess.crop.cut import cut, soften
from preprocess.crop.square import TEMPLATE, aligned_square, true_share
from preprocess.settings import Border
from tests.helpers.faces import landmarks
from tests.helpers.pictures import picture


def ramps(height: int, width: int) -> np.ndarray:
    """Red is x, green is y, blue 7."""
    photo = np.full((height, width, 3), 7, np.uint8)
    photo[..., 0] = np.arange(width)
    photo[..., 1] = np.arange(height)[:, None]
    return photo


def test_an_unscaled_crop_is_a_copy() -> None:
    photo = ramps(200, 150)
    np.testing.assert_array_equal(cut(photo, Square(20, 30, 64), 64), photo[30:94, 20:84])


@pytest.mark.parametrize(("side", "size"), [(128, 64), (128, 32), (96, 64), (32, 64)])
def test_a_crop_maps_the_corners_of_its_square(side: int, size: int) -> None:
    """Pixel i of the crop covers [i, i + 1) side / size of the square: its centre's ramp value is known."""
    left, top = 12, 20
    crop = cut(ramps(200, 200), Square(left, top, side), size).astype(float)
    expected = (np.arange(size) + 0.5) * side / size - 0.5
    inner = slice(size // 8, -size // 8)
    np.testing.assert_allclose(crop[size // 2, inner, 0], left + expected[inner], atol=0.6)
    np.testing.assert_allclose(crop[inner, size // 2, 1], top + expected[inner], atol=0.6)
    assert (crop[..., 2] == 7).all()


@pytest.mark.parametrize(("side", "size"), [(100, 64), (100, 65), (100, 33), (64, 64), (40, 64), (41, 64)])
@pytest.mark.parametrize("degrees", [0.0, 30.0, -90.0, 135.0])
def test_a_turned_crop_maps_its_square(side: int, size: int, degrees: float) -> None:
    """In a ramp the value at each pixel's centre is known, whatever the turn."""
    square = Square(50.3, 45.7, side, degrees)
    crop = cut(ramps(200, 200), square, size).astype(float)
    along = ((np.arange(size) + 0.5) / size - 0.5) * side
    place = complex(*square.centre) + np.exp(1j * np.radians(degrees)) * (along + 1j * along[:, None])
    np.testing.assert_allclose(crop[..., 0], place.real - 0.5, atol=1.1)
    np.testing.assert_allclose(crop[..., 1], place.imag - 0.5, atol=1.1)
    assert np.abs(crop[..., :2] - np.dstack([place.real, place.imag]) + 0.5).mean() < 0.5


@pytest.mark.parametrize("side", [50, 64, 90, 200])
def test_a_turn_of_nothing_gives_the_plain_cut(side: int) -> None:
    """A hundredth of a degree, which goes the way of turned squares."""
    noise = np.random.default_rng(0).integers(0, 256, (260, 260, 3), np.uint8)
    plain, turned = (cut(noise, Square(30, 31, side, angle), 64).astype(int) for angle in (0, 0.01))
    assert np.abs(plain - turned)[2:-2, 2:-2].mean() < 0.5
    assert np.abs(plain - turned).mean() < 1


@pytest.mark.parametrize("degrees", [-25.0, 10.0, 60.0])
def test_a_turned_picture_comes_back_upright(degrees: float) -> None:
    upright = picture(300, 300)
    matrix = cv2.getRotationMatrix2D((149.5, 149.5), -degrees, 1)  # OpenCV turns counter-clockwise
    turned = cv2.warpAffine(upright, matrix, (300, 300), borderMode=cv2.BORDER_REPLICATE)
    found, expected = cut(turned, Square(90, 90, 120, degrees), 60), cut(upright, Square(90, 90, 120), 60)
    assert np.abs(found.astype(int) - expected).mean() < 2
    assert np.abs(cut(turned, Square(90, 90, 120), 60).astype(int) - expected).mean() > 4


def test_an_aligned_face_has_its_landmarks_where_the_template_says() -> None:
    """Dots drawn at the landmarks of a turned face."""
    points = landmarks(150, 140, 110, -17)
    photo = np.zeros((300, 300, 3), np.uint8)
    for x, y in np.array(points).reshape(5, 2):
        cv2.circle(photo, (round(x), round(y)), 4, (255, 255, 255), -1)
    size, margin = 96, 0.25
    crop = cut(photo, aligned_square((95, 85, 205, 195), points, margin), size)
    for mark in TEMPLATE / (1 + 2 * margin):
        x, y = (0.5 + mark.real) * size, (0.5 + mark.imag) * size
        assert crop[int(y), int(x)].min() > 200


@pytest.mark.parametrize(
    "square", [(-10, -20, 64), (120, 170, 64), (-30, -30, 260), (-64, 3, 65), (-90, 3, 65), (170, 210, 65)]
)
@pytest.mark.parametrize("border", ["repeat", "reflect"])
def test_beyond_the_photo_a_crop_repeats_or_reflects_it(square: tuple[int, int, int], border: str) -> None:
    left, top, side = square
    photo = ramps(200, 150)
    kind = cv2.BORDER_REPLICATE if border == "repeat" else cv2.BORDER_REFLECT_101
    padded = cv2.copyMakeBorder(photo, 300, 300, 300, 300, kind)
    expected = padded[300 + top : 300 + top + side, 300 + left : 300 + left + side]
    np.testing.assert_array_equal(cut(photo, Square(*square), side, border), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("border", ["repeat", "reflect", "blur"])
@pytest.mark.parametrize("angle", [0, 33])
def test_a_border_may_be_wider_than_the_photo(shape: tuple[int, int], border: str, angle: float) -> None:
    photo = np.full((*shape, 3), 90, np.uint8)
    crop = cut(photo, Square(-20, -20, 40, angle), 32, border)  # type: ignore[arg-type]
    assert crop.shape == (32, 32, 3)
    np.testing.assert_allclose(crop, 90, atol=1)


def test_a_reflection_goes_to_and_fro() -> None:
    photo = np.dstack([np.array([[10, 20, 30]], np.uint8)] * 3)
    crop = cut(photo, Square(-4, 0, 9), 9, "reflect")
    assert crop[0, :, 0].tolist() == [10, 20, 30, 20, 10, 20, 30, 20, 10]


def test_a_fading_border_keeps_the_photo_and_smooths_what_lies_beyond() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    square = Square(-50, -50, 200)
    plain, faded = (cut(noise, square, 200, border).astype(int) for border in ("repeat", "blur"))
    np.testing.assert_array_equal(faded[50:150, 50:150], plain[50:150, 50:150])
    rough = [np.abs(np.diff(faded[row, 50:150], axis=0)).mean() for row in (100, 47, 40, 25, 0)]
    assert rough == sorted(rough, reverse=True) and rough[-1] < 2 < 50 < rough[0]
    turned = cut(noise, square._replace(angle=45.0), 200, "blur")
    assert np.ptp(turned[:8, :8].astype(int), axis=(0, 1)).max() < 20


def test_a_fading_border_has_no_seam() -> None:
    smooth = picture(100, 100)
    faded = cut(smooth, Square(-40, -40, 180), 180, "blur").astype(int)
    inner = np.abs(np.diff(smooth.astype(int), axis=0)).max()
    assert np.abs(np.diff(faded, axis=0)).max() <= 2 * inner


def test_a_mask_is_cut_as_its_photo_is() -> None:
    photo = picture(90, 120)
    for square in (Square(-10, 20, 100), Square(10.5, -3.2, 70.1, 20.0)):
        for border in ("repeat", "reflect", "blur"):
            colour = cut(photo, square, 48, border)  # type: ignore[arg-type]
            mask = cut(np.ascontiguousarray(photo[..., 1]), square, 48, border)  # type: ignore[arg-type]
            np.testing.assert_array_equal(mask, colour[..., 1])


@pytest.mark.parametrize("angle", [0.0, 20.0])
def test_shrinking_does_not_alias(angle: float) -> None:
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = cut(stripes, Square(72, 72, 256, angle), 100)
    assert np.ptp(crop[2:-2, 2:-2].astype(int)) <= 40


def test_an_upright_crop_is_one_resize_by_pillow() -> None:
    photo = picture(200, 150)
    expected = Image.fromarray(photo[20:120, 30:130]).resize((64, 64), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(cut(photo, Square(30, 20, 100), 64), np.asarray(expected))


@pytest.mark.parametrize("size", [8, 64, 300])
def test_softening_keeps_a_constant_and_spreads_a_step(size: int) -> None:
    np.testing.assert_allclose(soften(np.full((size, size), 70.0), 16), 70, atol=1e-3)
    step = np.zeros((size, size))
    step[:, size // 2 :] = 1
    row = soften(step, 16)[0]
    assert (np.diff(row) >= -1e-6).all() and row[0] < 0.05 < 0.4 < row[size // 2] < 0.75 < 0.95 < row[-1]


@settings(max_examples=120, deadline=None)
@given(
    shape=st.tuples(st.integers(20, 70), st.integers(20, 70)),
    box=st.tuples(*[st.integers(-200, 900)] * 2, *[st.integers(10, 500)] * 2),
    turn=st.sampled_from(TURNS),
    border=st.sampled_from(["repeat", "reflect", "blur"]),
    clamp=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_a_turned_photo_gives_the_crop_of_the_upright_one(
    shape: tuple[int, int], box: tuple[int, ...], turn: Turn, border: Border, clamp: bool, seed: int
) -> None:
    """Bytes, of a photo of noise: square, resizing and border lie alike."""
    photo = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    upright = turn_back(photo, turn)
    left, top, width, height = (edge / 10 for edge in box)
    face = Face((left, top, round(left + width, 1), round(top + height, 1)), (), 0.9)
    found = face.turned_back(turn, *shape)
    crops = []
    for pixels, one in ((upright, face), (photo, found)):
        size = pixels.shape[0], pixels.shape[1]
        square = face_square(one.box, 0.25, one.turned, size if clamp else None)
        crops.append((cut(pixels, square, 24, border).tobytes(), true_share(square, *size)))
    assert crops[0] == crops[1]


@pytest.mark.parametrize("border", ["repeat", "reflect", "blur"])
def test_a_turned_square_is_cut_upright(border: Border) -> None:
    """Turned by 90 the forehead is on the right: it comes to lie at the top."""
    photo = ramps(60, 80)
    crop = cut(photo, Square(10, 20, 30, 90), 30, border)
    assert crop[0, 0].tolist() == [39, 20, 7], "the upper left corner of the crop is the upper right one"
    assert crop[-1, -1].tolist() == [10, 49, 7]
    np.testing.assert_array_equal(crop, cut(photo, Square(10, 20, 30, -270), 30, border))


def test_a_clamped_crop_has_no_pixel_that_is_not_of_the_photo() -> None:
    """A photo in which each pixel differs from the next: nothing is repeated."""
    photo = ramps(90, 70)
    for box in ((-10.0, -20.0, 40.0, 50.0), (30.0, 40.0, 75.0, 99.0), (-5.0, 0.0, 80.0, 90.0)):
        square = face_square(box, 0.25, 0, (90, 70))
        crop = cut(photo, square, int(square.side))
        assert (np.diff(crop[..., 0].astype(int), axis=1) == 1).all()
        assert (np.diff(crop[..., 1].astype(int), axis=0) == 1).all()
