"""How crops frame the face, and how well a number tells labels apart: closed forms."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from faces.factors import Categories
from faces.labelling.label_file import label_set
from preprocess.look.framing import FACE, TIGHT, TRUE, Framing, framing_of, proposal, warnings
from preprocess.look.rates import area_under_curve, telling
from tests.helpers.shown import LOST, fields

LABELS = label_set("own", (Categories(name="kind", categories=("a", "b", "c")),))
SETTINGS = {"margin": 0.25, "clamp": True}


def framing(rows: Sequence[dict[str, object]], kinds: Sequence[int] = (), **settings: object) -> Framing:
    photos = pd.DataFrame({"kind": [*kinds] or [-1] * len(rows)})
    return framing_of(pd.DataFrame(rows), photos, LABELS, SETTINGS | settings)


def face(side: float, photo: int = 100, crop: float = 100, **changes: object) -> dict[str, object]:
    """A square face in the corner of a square photo."""
    place = {"face_box": [0.0, 0.0, side, side], "crop_box": [0.0, 0.0, crop, crop]}
    return fields(0, height=photo, width=photo) | place | changes


def test_the_area_under_the_curve_is_the_chance_of_the_larger_number() -> None:
    # Of nine pairs five are larger and two equal.
    area = area_under_curve([1, 2, 3], [1, 2, 1])
    assert area.value == pytest.approx((5 + 3 / 2) / 9)
    # The share of the others below each number, and of those above it; equal ones count half.
    above, below = [1 / 3, 5 / 6, 1], [5 / 6, 1 / 2, 5 / 6]
    error = math.sqrt(np.var(above, ddof=1) / 3 + np.var(below, ddof=1) / 3)
    assert area.low == pytest.approx(area.value - 1.959964 * error)
    assert area.high == 1


def test_the_area_is_that_of_sklearn_and_its_interval_widens_with_the_comparisons() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 40), rng.integers(0, 7, 70)
    area = area_under_curve(one, other)
    truth = np.repeat([1, 0], [40, 70])
    assert area.value == pytest.approx(roc_auc_score(truth, np.concatenate([one, other])))
    assert area_under_curve(other, one).value == pytest.approx(1 - area.value)
    assert area_under_curve(one, other, 3).low < area.low < area.value


def test_numbers_of_chance_tell_nothing_and_those_that_differ_name_both_values() -> None:
    kinds = pd.DataFrame({"kind": np.repeat([0, 1, 2], [30, 30, 9])})
    values = pd.Series(np.tile(np.arange(3.0), 23))
    assert telling(values, kinds, LABELS) is None
    values[:30] -= 1
    contrast = telling(values, kinds, LABELS)
    # a has -1, 0, 1 and b 0, 1, 2: of nine pairs six are larger and two equal. c has too few crops.
    assert contrast and (contrast.factor, contrast.more, contrast.less) == ("kind", "b", "a")
    assert contrast.area.value == pytest.approx(7 / 9)
    values[:30] = np.nan
    assert telling(values, kinds, LABELS) is None


def test_crops_are_measured_by_their_boxes() -> None:
    rows = [
        face(40, crop=60),
        face(40.4, crop=61),  # the side is a whole number of pixels, which is no framing
        face(90),
        face(120),
        face(40, crop=125),
        face(40, crop=60, **LOST),
        face(40, crop=100, detector="as_is"),
        face(90, crop=100, detector="given"),
    ]
    crops = framing(rows).crops
    two_thirds, nan = 2 / 3, math.nan
    np.testing.assert_allclose(crops[FACE], [two_thirds, two_thirds, 0.9, 1.2, 0.32, nan, nan, 0.9])
    np.testing.assert_allclose(crops[TRUE], [1, 1, 1, 1, 0.64, 1, 1, 1])
    np.testing.assert_allclose(crops[TIGHT], [0, 0, 1, 1, 0, nan, nan, nan])


def test_what_is_recorded_counts_and_what_older_caches_lack_is_worked_out_or_not_known() -> None:
    turned = face(40, crop=100, crop_angle=45.0)
    # A square turned by 45 degrees about the centre of its photo lacks four triangles of height (√2 - 1) / 2.
    outside = 4 * ((math.sqrt(2) - 1) / 2) ** 2
    assert framing([turned]).crops[TRUE][0] == pytest.approx(1 - outside, abs=0.01)
    assert framing([turned | {"true_pixels": 0.25}]).crops[TRUE][0] == 0.25
    bare = framing([{"key": "0", "status": "detected"}])
    assert bare.crops.isna().all(axis=None) and not proposal(bare) and not [*warnings(bare)]


def test_a_smaller_margin_is_proposed_where_it_evens_the_framing_out() -> None:
    # With 0.25 around it a face of 70 is cut short and one of 40 is not; with 0.2 both have their margin.
    rows = [face(70)] * 20 + [face(40, crop=60)] * 20
    kinds = np.repeat([1, 0], 20)
    [size] = [text for text in warnings(framing(rows, kinds)) if "the crop's side" in text]
    assert "tells kind b from a: area under the ROC curve 1.000" in size
    assert size.endswith("--margin 0.2, with which it is 0.500")
    [size] = [text for text in warnings(framing(rows, kinds, clamp=False)) if "the crop's side" in text]
    assert size.endswith("no smaller margin evens it out")
    rows = [face(110)] * 20 + [face(40, crop=60)] * 20
    [size] = [text for text in warnings(framing(rows, kinds)) if "the crop's side" in text]
    assert size.endswith("no smaller margin evens it out")


def test_filled_photos_of_one_value_are_two_sources() -> None:
    rows = [face(90)] * 5 + [face(40, crop=60)] * 25
    [sources] = [text for text in warnings(framing(rows, np.repeat([1, 0], 15))) if "sources apart" in text]
    assert "5 of 15 found faces of kind b fill their photo" in sources and "0 of 15 of kind a" in sources
    few = framing(rows[:24], np.repeat([1, 0], [15, 9]))
    assert not [*warnings(few)]


def test_crops_that_lie_inside_the_photo_are_the_cure_for_missing_pixels() -> None:
    rows = [face(40, true_pixels=0.5 + n % 2 / 2) for n in range(20)] + [face(40, true_pixels=1.0)] * 20
    kinds = np.repeat([0, 2], 20)
    [plain], [aligned] = (
        [text for text in warnings(framing(rows, kinds, align=align)) if "true pixels" in text]
        for align in (False, True)
    )
    # Half of the pairs are equal.
    assert "tells kind c from a: area under the ROC curve 0.750" in plain and plain.endswith("--no-clamp")
    assert aligned.endswith("without --align")
