"""Policies, their draws, and the matrices made of the draws, against closed forms."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.augment import POLICIES, Policy, policy_named
from pipeline.augmentations.auto import AUTO_BINS, AUTO_OPERATIONS
from pipeline.augmentations.background import background_planes
from pipeline.augmentations.colour import jitter_matrices
from pipeline.augmentations.erase import erase_boxes
from pipeline.augmentations.geometry import warp_matrices, working_size
from pipeline.definition import Draws
from pipeline.draws import draw
from pipeline.operators.matrices import centre_window, composed, normalisation, normalised
from tests.helpers.graphs import replaced

EVERYTHING = dataclasses.replace(POLICIES["strong"], auto="randaugment", blur=0.5, grey=0.5)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def still(**changed: float) -> Draws:
    """One sample's draws that change nothing, but for those named."""
    drawn = draw(Policy(), 1, epoch=0, seed=0)
    return replaced(drawn, **{name: np.array([value], np.float32) for name, value in changed.items()})


def to_source(draws: Draws, source: int, image: int, point: tuple[float, float]) -> np.ndarray:
    return (warp_matrices(draws, source, image)[0] @ np.array([*point, 1.0]))[:2]


def test_policy_none_changes_nothing() -> None:
    none = POLICIES["none"]
    drawn = draw(none, 5, epoch=0, seed=0)
    for name in ("crop_width", "crop_height", "flip", "upright", "brightness", "contrast", "saturation"):
        assert (drawn[name] == 1).all(), name
    for name in ("angle", "hue", "erase_width", "erase_height", "blur_sigma"):
        assert (drawn[name] == 0).all(), name
    assert (
        (drawn["crop_x"] == 0.5).all()
        and (drawn["crop_y"] == 0.5).all()
        and (drawn["background"] == 128).all()
    )
    assert drawn["auto_operation"].shape == drawn["auto_bin"].shape == drawn["auto_negated"].shape == (5, 0)
    assert not none.moves_pixels and not none.changes_colour


@settings(deadline=None)
@given(n=st.integers(1, 50), more=st.integers(0, 50), epoch=st.integers(0, 99), seed=st.integers(0, 2**40))
def test_place_gets_the_same_draws_whatever_the_length_of_the_epoch(
    n: int, more: int, epoch: int, seed: int
) -> None:
    short = draw(EVERYTHING, n, epoch=epoch, seed=seed)
    long = draw(EVERYTHING, n + more, epoch=epoch, seed=seed)
    for name in short.arrays:
        np.testing.assert_array_equal(short[name], long[name][:n], name)


def test_turning_one_augmentation_on_leaves_the_others() -> None:
    plain = draw(POLICIES["light"], 100, epoch=1, seed=2)
    more = {"hue": 30.0, "erase": 0.5, "blur": 0.5, "grey": 0.5, "auto": "randaugment"}
    both = draw(dataclasses.replace(POLICIES["light"], **more), 100, epoch=1, seed=2)
    for name in ("crop_width", "crop_x", "crop_y", "angle", "flip", "background"):
        np.testing.assert_array_equal(plain[name], both[name], name)


def test_epochs_and_seeds_differ() -> None:
    angles = [
        draw(POLICIES["strong"], 20, epoch=e, seed=s)["angle"].tobytes() for e in range(3) for s in range(3)
    ]
    assert len(set(angles)) == 9


@settings(deadline=None, max_examples=30)
@given(
    area=st.tuples(st.floats(0.05, 1), st.floats(0.05, 1)).map(lambda pair: tuple(sorted(pair))),
    low=st.floats(0.3, 1),
    high=st.floats(1, 3),
)
def test_crops_have_the_area_and_aspect_asked_for_and_stay_inside(
    area: tuple[float, float], low: float, high: float
) -> None:
    drawn = draw(Policy(crop_area=area, crop_aspect=(low, high)), 200, epoch=0, seed=0)
    width, height = drawn["crop_width"], drawn["crop_height"]
    assert (width * height > area[0] - 1e-5).all() and (width * height < area[1] + 1e-5).all()
    assert (width / height > low - 1e-4).all() and (width / height < high + 1e-4).all()
    for centre, side in ((drawn["crop_x"], width), (drawn["crop_y"], height)):
        assert (centre - side / 2 > -1e-6).all() and (centre + side / 2 < 1 + 1e-6).all()


@pytest.mark.parametrize(
    ("name", "low", "magnified"),
    [("light", 0.7, 1.0875), ("strong", 0.5, 1.1658), ("light_centred", 0.7, 1.0)],
)
def test_faces_are_so_much_larger_in_training_than_in_evaluation(
    name: str, low: float, magnified: float
) -> None:
    """Areas are uniform from `low` to 1, so that the mean of their logarithm is -1 - low ln(low) / (1 - low);
    the crops of `light_centred` undo it, and with them a centre crop shows what `light` shows."""
    closed = math.exp(-(-1 - low * math.log(low) / (1 - low)) / 2) / POLICIES[name].crop_from
    assert closed == pytest.approx(magnified, abs=1e-4)
    drawn = draw(POLICIES[name], 20_000, epoch=0, seed=0)
    sides = np.log(drawn["crop_width"].astype(np.float64) * drawn["crop_height"]) / 2
    assert np.exp(-sides.mean()) == pytest.approx(closed, abs=2e-3)
    for at, side in ((drawn["crop_x"], drawn["crop_width"]), (drawn["crop_y"], drawn["crop_height"])):
        assert (np.abs(at - 0.5) + side / 2 <= POLICIES[name].crop_from / 2 + 1e-6).all()


def test_centred_crops_of_a_centre_are_those_of_the_whole() -> None:
    """But for the whole pixels that a centre crop is cut at."""
    whole, centred = (draw(POLICIES[name], 50, epoch=0, seed=0) for name in ("light", "light_centred"))
    one = warp_matrices(whole, 256, 224)
    other = warp_matrices(centred, 256, 224, centre=1 / 1.0875)
    np.testing.assert_allclose(other, one, atol=1.0)
    np.testing.assert_allclose(other[:, :2, :2], one[:, :2, :2], rtol=0.006)


def test_draws_keep_to_their_ranges_and_probabilities() -> None:
    drawn = draw(POLICIES["strong"], 20_000, epoch=0, seed=0)
    assert abs((drawn["flip"] == -1).mean() - 0.5) < 0.02
    assert abs((drawn["erase_width"] > 0).mean() - 0.25) < 0.02
    assert drawn["angle"].min() >= -10 and drawn["angle"].max() <= 10 and abs(drawn["angle"].mean()) < 0.2
    assert drawn["brightness"].min() >= 0.8 and drawn["brightness"].max() <= 1.2


def test_blur_and_grey_come_as_often_as_asked_and_in_their_range() -> None:
    drawn = draw(Policy(blur=0.3, blur_sigma=(0.5, 1.5), grey=0.2), 20_000, epoch=0, seed=0)
    blurred = drawn["blur_sigma"] > 0
    assert abs(blurred.mean() - 0.3) < 0.02 and abs((drawn["saturation"] == 0).mean() - 0.2) < 0.02
    assert drawn["blur_sigma"][blurred].min() >= 0.5 and drawn["blur_sigma"].max() <= 1.5
    assert abs((blurred & (drawn["saturation"] == 0)).mean() - 0.06) < 0.01, "the two are independent"


def test_backgrounds_are_flat_or_blend_or_are_mid_grey() -> None:
    corners = draw(Policy(background=0.5), 20_000, epoch=0, seed=0)["background"]
    grey = (corners == 128).all((1, 2))
    flat = (corners == corners[:, :1]).all((1, 2)) & ~grey
    assert abs(grey.mean() - 0.5) < 0.02 and abs(flat.mean() - 0.25) < 0.02
    assert corners.min() >= 0 and corners.max() <= 255
    assert abs(corners[~grey].mean() - 127.5) < 1


def test_randaugment_takes_every_operation_equally_often_at_its_magnitude() -> None:
    drawn = draw(Policy(auto="randaugment", auto_operations=3, auto_magnitude=7), 20_000, epoch=0, seed=0)
    assert drawn["auto_operation"].shape == (20_000, 3) and (drawn["auto_bin"] == 7).all()
    shares = np.bincount(drawn["auto_operation"].ravel(), minlength=len(AUTO_OPERATIONS)) / 60_000
    np.testing.assert_allclose(shares, 1 / len(AUTO_OPERATIONS), atol=0.01)
    assert set(np.unique(drawn["auto_negated"])) == {0, 1} and abs(drawn["auto_negated"].mean() - 0.5) < 0.02


def test_trivialaugment_takes_one_operation_of_any_magnitude() -> None:
    drawn = draw(Policy(auto="trivialaugment"), 20_000, epoch=0, seed=0)
    assert drawn["auto_operation"].shape == (20_000, 1)
    np.testing.assert_allclose(np.bincount(drawn["auto_bin"][:, 0]) / 20_000, 1 / AUTO_BINS, atol=0.01)


def test_background_planes_reach_the_colours_of_the_corners() -> None:
    corners = draw(Policy(background=1.0), 50, epoch=0, seed=0)["background"]
    a, b, c, d = np.moveaxis(background_planes(corners), 1, 0)
    for corner, (x, y) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        np.testing.assert_allclose(a + b * x + c * y + d * x * y, corners[:, corner], atol=1e-3)


@settings(deadline=None)
@given(size=st.integers(16, 600), centre=st.floats(0.25, 1))
def test_centre_window_is_what_torchvision_keeps(size: int, centre: float) -> None:
    start, share = centre_window(size, centre)
    resized = round(size / centre)
    picture = np.zeros((resized, resized), np.uint8)
    edge = round(start * resized)
    picture[edge : edge + size, edge : edge + size] = 1
    kept = torchvision.transforms.v2.functional.center_crop(torch.from_numpy(picture)[None], [size, size])
    assert kept.all() and np.isclose(share * resized, size)


def test_whole_crop_at_its_own_size_is_the_identity() -> None:
    np.testing.assert_allclose(warp_matrices(still(), 64, 64)[0], np.eye(3), atol=1e-6)


def test_corner_pixels_land_where_geometry_says() -> None:
    # Halving 64 to 32: output pixel 0 covers source pixels 0 and 1, whose centres' mean is 0.5.
    np.testing.assert_allclose(to_source(still(), 64, 32, (0, 0)), (0.5, 0.5), atol=1e-5)
    # Mirrored: the leftmost output pixel comes from the rightmost source pixel, in the same row.
    np.testing.assert_allclose(to_source(still(flip=-1), 64, 64, (0, 7)), (63, 7), atol=1e-5)
    np.testing.assert_allclose(to_source(still(upright=-1), 64, 64, (0, 7)), (0, 56), atol=1e-5)
    # A quarter turn counter-clockwise: the top left shows what was at the top right.
    np.testing.assert_allclose(to_source(still(angle=90), 64, 64, (0, 0)), (63, 0), atol=1e-4)
    # The top left quarter, enlarged to the full size: output pixel 63 lies in source pixel 31.
    quarter = still(crop_width=0.5, crop_height=0.5, crop_x=0.25, crop_y=0.25)
    np.testing.assert_allclose(to_source(quarter, 64, 64, (0, 0)), (-0.25, -0.25), atol=1e-5)
    np.testing.assert_allclose(to_source(quarter, 64, 64, (63, 63)), (31.25, 31.25), atol=1e-5)


def test_neutral_colour_is_the_normalisation() -> None:
    np.testing.assert_allclose(
        normalised(jitter_matrices(still()), MEAN, STD)[0], normalisation(MEAN, STD), atol=1e-6
    )
    white = normalisation(MEAN, STD) @ np.array([255, 255, 255, 1])
    np.testing.assert_allclose(white, (1 - np.array(MEAN)) / np.array(STD), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "pixel", "expected"),
    [
        ({"brightness": 1.5}, (10, 20, 30), (15, 30, 45)),
        ({"contrast": 2.0}, (128, 100, 200), (128, 72, 272)),
        ({"contrast": 0.0, "brightness": 0.5}, (1, 2, 3), (64, 64, 64)),
        ({"saturation": 0.0}, (255, 0, 0), (76.2, 76.2, 76.2)),
        ({"hue": 77.0}, (90, 90, 90), (90, 90, 90)),
    ],
)
def test_colour_has_its_closed_form(change: dict, pixel: tuple, expected: tuple) -> None:
    grey_levels = jitter_matrices(still(**change))[0] @ np.array([*pixel, 1])
    np.testing.assert_allclose(grey_levels, expected, atol=0.4)  # the YIQ constants have three digits


def test_two_maps_of_colour_in_one_are_one_after_the_other() -> None:
    first, second = np.random.default_rng(0).normal(0, 1, (2, 5, 3, 4))
    pixel = np.array([10.0, 20.0, 30.0])
    one = first[:, :, :3] @ pixel + first[:, :, 3]
    both = np.einsum("nij,nj->ni", second[:, :, :3], one) + second[:, :, 3]
    np.testing.assert_allclose(composed(first, second) @ np.array([*pixel, 1]), both)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), size=st.integers(16, 300))
def test_erased_rectangles_are_whole_pixels_inside_the_image(seed: int, size: int) -> None:
    drawn = draw(Policy(erase=0.5, erase_area=(0.02, 1.0)), 200, epoch=0, seed=seed)
    corner, extent = erase_boxes(drawn, size)
    assert (corner >= 0).all() and (corner + extent <= size).all()
    assert (corner == np.round(corner)).all() and (extent == np.round(extent)).all()
    assert ((extent > 0).any(1) == (drawn["erase_width"] > 0)).all()


def test_working_size_avoids_aliasing_where_images_shrink_a_lot() -> None:
    strong, flip = POLICIES["strong"], Policy(flip=0.5)
    assert working_size(strong, 256, 224) == 256
    assert working_size(strong, 256, 96) == 148
    assert working_size(flip, 256, 224) == 224, "a mere flip must not blur: the warp is then lossless"
    assert working_size(strong, 256, 512) == 256
    assert working_size(Policy(rotation=5.0), 256, 96) == 128
    assert working_size(flip, 256, 112, centre=0.875) == 128, "lossless too: pixels of Resize(128)"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_area": (0.0, 1.0)}, "crop_area .* got 0.0, 1.0"),
        ({"crop_area": (0.9, 0.5)}, "crop_area"),
        ({"crop_from": 0.9}, "crop_from must be in 1 to 2, got 0.9"),
        ({"crop_aspect": (1.1, 1.2)}, "crop_aspect must span 1"),
        ({"flip": 1.5}, r"flip must be in 0 \(off\) to 1, got 1.5"),
        ({"rotation": -1.0}, r"rotation must be in 0 \(off\) to 180, got -1.0"),
        ({"hue": 181.0}, "hue must be in 0 .* to 180, got 181.0"),
        ({"grey": float("nan")}, "grey must be in 0 .* to 1, got nan"),
        ({"blur": 2.0}, "blur must be in 0 .* to 1, got 2.0"),
        ({"blur_sigma": (0.0, 1.0)}, "blur_sigma must be 0.1 <= low <= high <= 10 pixels, got 0.0, 1.0"),
        ({"background": -0.1}, "background must be"),
        ({"auto": "randaug"}, "auto='randaug' is unknown: did you mean 'randaugment'"),
        ({"auto_operations": 5}, "auto_operations must be in 1 to 4, got 5"),
        ({"auto_magnitude": 31}, "auto_magnitude must be in 0 to 30, got 31"),
    ],
)
def test_impossible_policies_are_refused(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Policy(**settings)


def test_unknown_policy_names_the_nearest() -> None:
    assert policy_named("strong") is POLICIES["strong"]
    with pytest.raises(ValueError, match="did you mean 'light'"):
        policy_named("lihgt")
