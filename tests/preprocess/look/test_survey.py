"""What is measured on the crops of a cache."""

from pathlib import Path

import numpy as np
import pytest

from faces.framing.square import Square
from preprocess.crop.cut import cut
from preprocess.look.survey import points_in_crop, survey_crops
from tests.helpers.shown import LOST, SIZE, fields, write


@pytest.mark.parametrize("angle", [0.0, 30.0, -75.0])
def test_points_of_a_photo_lie_where_cutting_puts_them(angle: float) -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    photo[98:103, 148:153] = 255
    square = Square(80, 40, 180, angle)
    crop = cut(photo, square, 90, "repeat")[..., 0].astype(float)
    y, x = (np.mgrid[:90, :90] + 0.5) * crop / crop.sum()
    [place] = points_in_crop([(150.5, 100.5)], square.box, angle, 90)
    assert np.abs(place - (x.sum(), y.sum())).max() < 0.3


def test_brightness_and_sharpness_are_those_of_the_face(tmp_path: Path) -> None:
    crop = np.full((SIZE, SIZE, 3), 200, np.uint8)
    crop[16:42, 16:48] = 40
    crop[:8, ::2] = 0
    measured = survey_crops(write(tmp_path / "cache", [fields(0), fields(1, **LOST)], [crop, crop])).crops
    # The face box is rows 16 to 41.6 and columns 16 to 48 of the crop: constant unlike what is around it.
    assert measured["brightness"][0] == 40 and measured["sharpness"][0] == 0
    assert measured["brightness"][1] > 100 and measured["sharpness"][1] > 100
    assert measured["face_side"][0] == 40 and measured["face_share"][0] == pytest.approx(0.5 * 0.4 / 2)
