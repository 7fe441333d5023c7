"""From photo and face to stored bytes."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from faces.framing.face import AS_IS, Face
from faces.framing.square import Square, face_square
from preprocess.crop.cut import cut
from preprocess.crop.render import Renderer, cut_out, encode, paint_background, sharpen
from preprocess.settings import PreprocessSettings
from tests.helpers.faces import landmarks
from tests.helpers.matting import brightness_model
from tests.helpers.pictures import picture

FACE = Face((60.0, 50.0, 140.0, 150.0), landmarks(100, 95, 100, 0), 0.99)
TILTED = Face((60.0, 50.0, 140.0, 150.0), landmarks(100, 95, 100, 20), 0.99)
SIZE = 48


def renderer(tmp_path: Path, **settings: object) -> Renderer:
    whole = {"data": tmp_path / "data", "cache": tmp_path / "cache", "size": SIZE, "codec": "raw"} | settings
    return Renderer(PreprocessSettings(**whole))  # type: ignore[arg-type]


def pixels(data: bytes, channels: int = 3) -> np.ndarray:
    return np.frombuffer(data, np.uint8).reshape(SIZE, SIZE, channels)


def dark_room() -> np.ndarray:
    """A bright person in the middle of a dark photo; a soft edge, at which rembg's resizing does not ring."""
    photo = np.full((220, 200, 3), (40, 20, 60), np.uint8)
    photo[60:140, 65:135] = 250
    return cv2.GaussianBlur(photo, (0, 0), 4)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A matting model for which what is bright is a person."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / "u2netp.onnx").write_bytes(brightness_model())


def test_without_options_a_crop_is_the_plain_cut(tmp_path: Path) -> None:
    photo = picture(220, 200)
    rendered = renderer(tmp_path)(photo, FACE)
    square = face_square(FACE.box, 0.25)
    np.testing.assert_array_equal(pixels(rendered.data), cut(photo, square, SIZE))
    assert rendered.crop_box == square.box and rendered.crop_angle == 0 and rendered.true_pixels == 1
    assert all(isinstance(edge, float) for edge in rendered.crop_box)


def test_an_aligned_crop_says_how_it_was_turned(tmp_path: Path) -> None:
    photo = picture(220, 200)
    rendered = renderer(tmp_path, align=True)(photo, TILTED)
    assert rendered.crop_angle == pytest.approx(20, abs=0.01)
    left, top, right, bottom = rendered.crop_box
    assert right - left == pytest.approx(bottom - top) == pytest.approx(150, abs=0.2)
    again = cut(photo, Square(left, top, round(right - left, 1), rendered.crop_angle), SIZE)
    np.testing.assert_array_equal(pixels(rendered.data), again)


def test_without_a_face_the_middle_is_cut_whatever_the_settings(tmp_path: Path) -> None:
    photo = picture(220, 200)
    plain, aligned = (renderer(tmp_path, align=align)(photo, None) for align in (False, True))
    assert plain == aligned and plain.crop_box == (10.0, 9.0, 190.0, 189.0)


@pytest.mark.parametrize("border", ["repeat", "reflect", "blur"])
def test_the_border_is_the_one_asked_for(tmp_path: Path, border: str) -> None:
    photo = picture(160, 150)
    rendered = renderer(tmp_path, border=border, margin=1.0, clamp=False)(photo, FACE)
    square = face_square(FACE.box, 1.0)
    np.testing.assert_array_equal(pixels(rendered.data), cut(photo, square, SIZE, border))  # type: ignore[arg-type]
    # 300 a side from (-50, -55) in a photo of 150 x 160.
    assert rendered.crop_box == (-50, -55, 250, 245)
    assert rendered.true_pixels == round(150 * 160 / 300**2, 4)


def test_a_crop_is_clamped_to_the_photo(tmp_path: Path) -> None:
    photo = picture(160, 150)
    rendered = renderer(tmp_path, margin=1.0)(photo, FACE)
    assert rendered.crop_box == (0, 10, 150, 160) and rendered.true_pixels == 1
    np.testing.assert_array_equal(pixels(rendered.data), cut(photo, Square(0, 10, 150), SIZE))


def test_a_photo_taken_as_it_is_is_its_middle_square(tmp_path: Path) -> None:
    photo = picture(160, 101)
    whole = Face((0.0, 0.0, 101.0, 160.0), (), 1.0, detector=AS_IS)
    rendered = renderer(tmp_path, faces="as_is", margin=1.0)(photo, whole)
    assert rendered.crop_box == (0, 29, 101, 130) and rendered.true_pixels == 1
    np.testing.assert_array_equal(pixels(rendered.data), cut(photo, Square(0, 29, 101), SIZE))


def test_a_face_on_its_side_is_stored_upright(tmp_path: Path) -> None:
    photo = picture(160, 150)
    upright = renderer(tmp_path)(photo, FACE)
    lying = np.ascontiguousarray(np.rot90(photo, -1))
    rendered = renderer(tmp_path)(lying, FACE.turned_back(90, *lying.shape[:2]))
    assert rendered.data == upright.data and rendered.crop_angle == 90
    assert renderer(tmp_path)(lying, FACE).data != upright.data


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("matte_on", ["crop", "photo"])
@pytest.mark.parametrize(
    ("background", "colour"),
    [("white", 255), ("grey", 128), ("mean", (40, 20, 60)), ("blur", (40, 20, 60))],
)
def test_the_background_is_painted_over_and_the_person_kept(
    tmp_path: Path, background: str, colour: object, matte_on: str
) -> None:
    render = renderer(tmp_path, background=background, matte_on=matte_on)
    crop = pixels(render(dark_room(), FACE).data)
    np.testing.assert_allclose(crop[16:30, 18:30], 250, atol=8)
    # The person's soft edge counts as background in part; the masks of the tests below are hard.
    trace = 30 if background in ("mean", "blur") else 4
    for part in (crop[:5], crop[-5:], crop[:, :5], crop[:, -5:]):
        np.testing.assert_allclose(part, np.broadcast_to(colour, part.shape), atol=trace)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("codec", ["png", "raw"])
def test_a_cut_out_person_has_a_mask_and_no_colour_behind(tmp_path: Path, codec: str) -> None:
    data = renderer(tmp_path, background="alpha", codec=codec, sharpen=1.0)(dark_room(), FACE).data
    crop = pixels(data, 4) if codec == "raw" else np.asarray(Image.open(io.BytesIO(data)))
    assert crop.shape == (SIZE, SIZE, 4)
    assert (crop[16:30, 18:30, 3] > 245).all() and (crop[:4, :, 3] == 0).all()
    assert (crop[crop[..., 3] == 0][:, :3] == 0).all()
    np.testing.assert_allclose(crop[16:30, 18:30, :3], 250, atol=8)


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("matte_on", ["crop", "photo"])
@pytest.mark.parametrize("background", ["white", "mean", "blur", "alpha"])
def test_a_crop_in_which_nobody_is_found_keeps_its_background(
    tmp_path: Path, background: str, matte_on: str
) -> None:
    flat = np.full((220, 200, 3), 90, np.uint8)
    data = renderer(tmp_path, background=background, matte_on=matte_on)(flat, FACE).data
    crop = pixels(data, 4 if background == "alpha" else 3)
    assert (crop[..., :3] == 90).all() and (crop[..., 3:] == 255).all()


def test_a_blurred_background_has_nothing_of_the_person() -> None:
    noise = np.random.default_rng(0).integers(60, 100, (96, 96, 3), np.uint8)
    noise[..., 0] = 0
    person = np.s_[20:, 30:66]
    crop, alpha = noise.copy(), np.zeros((96, 96), np.uint8)
    crop[person], alpha[person] = (255, 0, 0), 255
    painted = paint_background(crop, alpha, "blur")
    assert (painted[person] == (255, 0, 0)).all()
    behind = painted[alpha == 0]
    assert (behind[:, 0] == 0).all(), "red of the person"
    assert np.abs(behind[:, 1:].astype(float) - 79.5).max() < 8
    gradient = np.zeros((96, 96, 3), np.uint8)
    gradient[...] = np.linspace(0, 200, 96)[:, None, None]
    blurred = paint_background(gradient, alpha, "blur")[:, 0, 0].astype(int)
    assert blurred[-1] - blurred[0] > 100 and (np.diff(blurred) >= 0).all()


def test_the_mean_background_is_weighted_by_the_mask_in_numbers() -> None:
    crop = np.zeros((2, 2, 3), np.uint8)
    crop[0, 0], crop[0, 1], crop[1] = 100, 200, 7
    alpha = np.array([[0, 127.5], [255, 255]]).astype(np.uint8)
    painted = paint_background(crop, alpha, "mean")
    mean = (255 * 100 + 128 * 200) / 383
    np.testing.assert_allclose(painted[0, 0], mean, atol=0.6)
    np.testing.assert_allclose(painted[0, 1], (127 * 200 + 128 * mean) / 255, atol=0.6)
    assert (painted[1] == 7).all()


def test_half_transparent_pixels_are_mixed() -> None:
    crop = np.full((1, 3, 3), 10, np.uint8)
    painted = paint_background(crop, np.array([[0, 51, 255]], np.uint8), "white")
    assert painted[0, :, 0].tolist() == [255, 206, 10]


def test_a_crop_that_is_all_person_has_no_background_to_paint() -> None:
    crop = picture(16, 16)
    for background in ("white", "mean", "blur"):
        painted = paint_background(crop, np.full((16, 16), 255, np.uint8), background)  # type: ignore[arg-type]
        np.testing.assert_array_equal(painted, crop)


def test_sharpening_steepens_edges_and_leaves_plain_areas() -> None:
    edge = np.full((40, 40, 3), 100, np.uint8)
    edge[:, 20:] = 150
    weak, strong = (sharpen(edge, strength).astype(int) for strength in (0.5, 2.0))
    assert 100 > weak.min() > strong.min() and 150 < weak.max() < strong.max()
    assert (strong[:, :10] == 100).all() and (strong[:, 30:] == 150).all()


def test_sharpening_is_off_at_0_and_changes_the_crop_above(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (220, 200, 3), np.uint8)
    none, some = (pixels(renderer(tmp_path, sharpen=s)(photo, FACE).data) for s in (0.0, 1.0))
    plain = cut(photo, face_square(FACE.box, 0.25), SIZE)
    np.testing.assert_array_equal(none, plain)
    np.testing.assert_array_equal(some, sharpen(plain, 1.0))
    assert some.std() > 1.2 * plain.std()


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    "settings",
    [
        {"align": True, "border": "blur", "margin": 0.6},
        {"background": "blur", "sharpen": 1.0, "codec": "png"},
        {"background": "alpha", "matte_on": "photo", "border": "reflect", "align": True, "codec": "png"},
    ],
)
def test_the_same_photo_gives_the_same_bytes(tmp_path: Path, settings: dict[str, object]) -> None:
    photo = dark_room()
    photo[60:140, 65:135] = np.random.default_rng(0).integers(150, 256, (80, 70, 3))
    before = photo.copy()
    first, second = (renderer(tmp_path, **settings)(photo, TILTED) for _ in range(2))
    assert first == second
    np.testing.assert_array_equal(photo, before)


def test_encoding() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    assert encode(crop, "raw", 95) == crop.tobytes()
    smooth = picture(64, 64)
    image = Image.open(io.BytesIO(encode(smooth, "jpeg", 95)))
    assert image.format == "JPEG" and image.size == (64, 64)
    np.testing.assert_allclose(np.asarray(image, float), smooth.astype(float), atol=12)
    assert len(encode(crop, "jpeg", 20)) < len(encode(crop, "jpeg", 95))


@pytest.mark.parametrize("channels", [3, 4])
def test_a_png_keeps_every_pixel_and_nothing_else(channels: int) -> None:
    crop = np.random.default_rng(0).integers(0, 256, (32, 32, channels), np.uint8)
    image = Image.open(io.BytesIO(encode(crop, "png", 95)))
    assert image.format == "PNG" and not image.info
    np.testing.assert_array_equal(np.asarray(image), crop)


def test_cutting_out_zeroes_what_nobody_sees() -> None:
    crop = np.full((1, 3, 3), 9, np.uint8)
    out = cut_out(crop, np.array([[0, 1, 255]], np.uint8))
    assert out.tolist() == [[[0, 0, 0, 0], [9, 9, 9, 1], [9, 9, 9, 255]]]
