import io

import numpy as np
import pytest
from PIL import Image

from preprocess.crop import centre_square, cut, encode, face_square


def ramps(height: int, width: int) -> np.ndarray:
    """Red is x, green is y, blue 7."""
    photo = np.full((height, width, 3), 7, np.uint8)
    photo[..., 0] = np.arange(width)
    photo[..., 1] = np.arange(height)[:, None]
    return photo


def test_the_square_around_a_face_in_numbers() -> None:
    assert face_square((100.0, 80.0, 180.0, 180.0), 0.25) == (65, 50, 150)
    left, top, side = face_square((100.0, 80.0, 180.0, 180.0), 0.0)
    assert (left, top, side) == (90, 75, 100)


@pytest.mark.parametrize("margin", [0.0, 0.2, 0.5])
def test_the_square_moves_and_grows_with_the_box(margin: float) -> None:
    left, top, side = face_square((40.0, 40.0, 120.0, 140.0), margin)
    assert face_square((50.0, 43.0, 130.0, 143.0), margin) == (left + 10, top + 3, side)
    doubled = face_square((80.0, 80.0, 240.0, 280.0), margin)
    np.testing.assert_allclose(doubled, (2 * left, 2 * top, 2 * side), atol=1)


@pytest.mark.parametrize(
    ("height", "width"), [(512, 384), (384, 512), (100, 100), (1, 300), (300, 1), (1, 1)]
)
def test_the_square_without_a_face_lies_inside_the_photo(height: int, width: int) -> None:
    left, top, side = centre_square(height, width)
    assert side >= 1
    assert 0 <= left <= width - side and 0 <= top <= height - side
    assert abs(left + side / 2 - width / 2) <= 0.5


def test_the_square_without_a_face_in_numbers() -> None:
    assert centre_square(512, 384) == (19, 57, 346)


def test_an_unscaled_crop_is_a_copy() -> None:
    photo = ramps(200, 150)
    np.testing.assert_array_equal(cut(photo, (20, 30, 64), 64), photo[30:94, 20:84])


@pytest.mark.parametrize(("side", "size"), [(128, 64), (128, 32), (96, 64), (32, 64)])
def test_a_crop_maps_the_corners_of_its_square(side: int, size: int) -> None:
    """Pixel i of the crop covers [i, i + 1) side / size of the square: its centre's ramp value is known."""
    left, top = 12, 20
    crop = cut(ramps(200, 200), (left, top, side), size).astype(float)
    expected = (np.arange(size) + 0.5) * side / size - 0.5
    inner = slice(size // 8, -size // 8)
    np.testing.assert_allclose(crop[size // 2, inner, 0], left + expected[inner], atol=0.6)
    np.testing.assert_allclose(crop[inner, size // 2, 1], top + expected[inner], atol=0.6)
    assert (crop[..., 2] == 7).all()


@pytest.mark.parametrize("square", [(-10, -20, 64), (120, 170, 64), (-30, -30, 260), (-64, 3, 65)])
def test_beyond_the_photo_a_crop_repeats_the_border(square: tuple[int, int, int]) -> None:
    left, top, side = square
    photo = ramps(200, 150)
    rows = np.clip(np.arange(top, top + side), 0, 199)
    columns = np.clip(np.arange(left, left + side), 0, 149)
    np.testing.assert_array_equal(cut(photo, square, side), photo[rows][:, columns])


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = cut(stripes, (0, 0, 256), 100)
    assert np.ptp(crop[:, 2:-2].astype(int)) <= 40


def test_encoding() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert encode(crop, "raw", 95) == crop.tobytes()
    smooth = cut(ramps(200, 200), (0, 0, 128), 64)
    image = Image.open(io.BytesIO(encode(smooth, "jpeg", 95)))
    assert image.format == "JPEG" and image.size == (64, 64)
    np.testing.assert_allclose(np.asarray(image, float), smooth.astype(float), atol=6)
    assert len(encode(crop, "jpeg", 20)) < len(encode(crop, "jpeg", 95))
