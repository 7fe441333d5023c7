"""Every operator and every policy against numpy, OpenCV and PIL on the same pixels and draws."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
import torch
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as F
from PIL import Image

from pipeline.augment import POLICIES, Policy
from pipeline.augmentations.auto import AUTO_OPERATIONS, Auto
from pipeline.augmentations.colour import jitter_matrices
from pipeline.augmentations.erase import erase_boxes
from pipeline.augmentations.geometry import warp_matrices
from pipeline.draws import draw
from pipeline.operators.compiled import half_bits
from tests.helpers.graphs import (
    COUNT,
    EXAMPLES,
    MEAN,
    SOURCE,
    bilinear,
    by_cpus_operators,
    by_gpus_operators,
    cutouts,
    encoded,
    graph_of,
    photos,
    pil_resize,
    reference,
    replaced,
    run,
    slow_where_long,
    tensors,
)

EVERYTHING = dataclasses.replace(POLICIES["strong"], blur=0.5, solarise=0.3, grey=0.3)
CHAINS = POLICIES | {"everything": EVERYTHING}


# A policy of DALI's own module defines hundreds of operators behind the same warp: it is tried at one size.
@pytest.mark.parametrize(
    ("policy", "image_size", "centre"),
    [
        pytest.param(policy, *size, id=f"{name}-{size[0]}-{size[1]}")
        for name, policy in (EXAMPLES | CHAINS).items()
        for size in ([(96, 1.0), (224, 1.0), (160, 0.8)] if policy.auto == "none" else [(160, 0.8)])
    ],
)
def test_graph_equals_the_reference(policy: Policy, image_size: int, centre: float) -> None:
    graph, images = graph_of(policy, image_size, centre=centre), photos()
    draws = draw(policy, COUNT, epoch=1, seed=3)
    found = run(graph, images, draws)
    for i, image in enumerate(images):
        expected = reference(graph, image, draws.at(np.array([i])))
        assert np.abs(found[i] - expected).mean() < 1.0
        if policy.auto == "none":
            assert np.abs(found[i] - expected).max() < 5.0


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(policy, id=name, marks=slow_where_long(name))
        for name, policy in (EXAMPLES | CHAINS).items()
    ],
)
def test_cut_out_people_are_pasted_as_the_reference_does(policy: Policy) -> None:
    graph, images = graph_of(policy, 160, channels=4), cutouts()
    draws = draw(policy, COUNT, epoch=1, seed=3)
    found = run(graph, images, draws)
    for i, image in enumerate(images):
        expected = reference(graph, image, draws.at(np.array([i])))
        assert np.abs(found[i] - expected).mean() < 1.0
    files = [encoded(image, "PNG") for image in images]
    from_png = run(dataclasses.replace(graph, codec="png"), files, draws)
    np.testing.assert_array_equal(found, from_png)


@pytest.mark.parametrize("auto", ["randaugment", "trivialaugment"])
def test_every_operation_of_dalis_module_is_what_its_paper_says(auto: Auto) -> None:
    policy, levels = Policy(auto=auto, auto_operations=1), (0, 9, 30)
    cases = np.array(
        [[o, b, negated] for o in range(len(AUTO_OPERATIONS)) for b in levels for negated in (0, 1)], np.int32
    )
    # Of less than full contrast, which auto_contrast and equalize would leave as it is.
    images = [photo // 2 + 50 for photo in photos() * len(cases)][: len(cases)]
    draws = replaced(
        draw(policy, len(cases), epoch=0, seed=0),
        auto_operation=cases[:, :1].copy(),
        auto_bin=cases[:, 1:2].copy(),
        auto_negated=cases[:, 2:].copy(),
    )
    graph = graph_of(policy, SOURCE)
    for i, found in enumerate(run(graph, images, draws)):
        expected = reference(graph, images[i], draws.at(np.array([i])))
        name, (_, level, negated) = AUTO_OPERATIONS[cases[i, 0]], cases[i]
        assert np.abs(found - expected).mean() < 1.0, f"{name} at {level}, negated {negated}"
        if name != "identity" and level == 30:
            assert np.abs(found - images[i]).mean() > 1.0, f"{name} does nothing"


@pytest.mark.parametrize(
    ("image_size", "centre"), [(64, 1.0), (112, 1.0), (288, 1.0), (224, 0.875), (97, 0.7)]
)
def test_evaluation_equals_pil_and_torchvision(image_size: int, centre: float) -> None:
    """So that an exported model may be served with either instead of DALI."""
    images, resized = photos(), round(image_size / centre)
    graph = graph_of(POLICIES["none"], image_size, centre=centre)
    found = run(graph, images, draw(POLICIES["none"], COUNT, epoch=0, seed=0))
    serve = v2.Compose([v2.Resize(resized), v2.CenterCrop(image_size)])
    for i, image in enumerate(images):
        edge = round((resized - image_size) / 2)
        by_pil = pil_resize(image, resized)[edge : edge + image_size, edge : edge + image_size]
        by_tensor = serve(torch.from_numpy(image).permute(2, 0, 1)).permute(1, 2, 0).numpy()
        for expected in (by_pil, np.asarray(serve(Image.fromarray(image))), by_tensor):
            assert np.abs(found[i] - expected).mean() < 0.3  # they round twice
            assert np.abs(found[i] - expected).max() < 2.01


def test_one_pass_is_the_warp_then_the_rectangle_then_the_colour_matrix() -> None:
    policy = dataclasses.replace(POLICIES["strong"], rotation=20.0)
    draws = draw(policy, COUNT, epoch=0, seed=0)
    found = run(graph_of(policy), photos(), draws)
    warps, colours = warp_matrices(draws, SOURCE, 224), jitter_matrices(draws)
    corners, extents = (values.astype(int) for values in erase_boxes(draws, 224))
    for i, image in enumerate(photos()):
        expected = bilinear(image, warps[i], 224)
        (y, x), (height, width) = corners[i], extents[i]
        expected[y : y + height, x : x + width] = np.round(255 * np.array(MEAN))
        expected = expected @ colours[i, :, :3].T + colours[i, :, 3]
        np.testing.assert_allclose(found[i], expected, atol=0.05)


@pytest.mark.parametrize("policy", [POLICIES["light"], POLICIES["strong"]], ids=["light", "strong"])
@pytest.mark.parametrize("image_size", [96, 224])
def test_one_pass_equals_an_operator_for_each_step(policy: Policy, image_size: int) -> None:
    """A blur that may be, though it never is, makes the graph take DALI's operators."""
    draws = draw(policy, COUNT, epoch=0, seed=0)
    chain = graph_of(dataclasses.replace(policy, blur=1e-9), image_size)
    assert graph_of(policy).in_one_pass and not chain.in_one_pass
    found, expected = run(graph_of(policy, image_size), photos(), draws), run(chain, photos(), draws)
    assert np.abs(found - expected).mean() < 0.5  # the chain rounds after its warp
    assert np.abs(found - expected).max() < 2.0


@pytest.mark.parametrize("centre", [1.0, 0.8])
def test_flips_alone_are_the_mirrored_evaluation_image(centre: float) -> None:
    policy = Policy(flip=1.0, vertical_flip=1.0)
    draws = draw(policy, COUNT, epoch=0, seed=0)
    flipped = run(graph_of(policy, 160, centre=centre), photos(), draws)
    plain = run(graph_of(POLICIES["none"], 160, centre=centre), photos(), draws)
    assert np.abs(flipped - plain[:, ::-1, ::-1]).max() < 0.01


def test_samples_that_are_not_blurred_are_untouched() -> None:
    policy = Policy(blur=0.5)
    draws = draw(policy, COUNT, epoch=0, seed=2)
    plain = run(graph_of(POLICIES["none"]), photos(), draws)
    found = run(graph_of(policy), photos(), draws)
    same = [np.allclose(a, b, atol=1e-3) for a, b in zip(found, plain, strict=True)]
    assert same == (draws["blur_sigma"] == 0).tolist() and 0 < sum(same) < COUNT


def test_grey_images_have_three_equal_channels() -> None:
    draws = draw(Policy(grey=1.0), COUNT, epoch=0, seed=0)
    found = run(graph_of(Policy(grey=1.0)), photos(), draws)
    assert (found.max(-1) - found.min(-1)).max() < 1.0  # the YIQ constants have three digits
    luma = run(graph_of(POLICIES["none"]), photos(), draws) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(found.mean(-1) - luma).max() < 1.0


def test_turned_cut_outs_show_their_background_in_the_corners() -> None:
    policy = Policy(rotation=45.0, background=1.0)
    opaque = [np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)]) for photo in photos()]
    draws = replaced(draw(policy, COUNT, epoch=0, seed=0), angle=np.full(COUNT, 45.0, np.float32))
    found = run(graph_of(policy, channels=4), opaque, draws)
    corners = found[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, draws["background"], atol=2.5)


def test_evaluation_shows_cut_out_people_on_mid_grey() -> None:
    absent = [np.dstack([photo, np.zeros(photo.shape[:2], np.uint8)]) for photo in photos()]
    graph = graph_of(POLICIES["none"], channels=4)
    found = run(graph, absent, draw(POLICIES["none"], COUNT, epoch=0, seed=0))
    np.testing.assert_allclose(found, 128, atol=1e-3)


def test_jpeg_decodes_as_pil_does() -> None:
    files = [encoded(photo, "JPEG") for photo in photos()]
    decoded = [np.asarray(Image.open(io.BytesIO(file.tobytes()))) for file in files]
    draws = draw(POLICIES["strong"], COUNT, epoch=0, seed=0)
    from_jpeg = run(graph_of(POLICIES["strong"], codec="jpeg"), files, draws)
    np.testing.assert_array_equal(from_jpeg, run(graph_of(POLICIES["strong"]), decoded, draws))


@pytest.mark.parametrize("policy", [POLICIES["none"], POLICIES["strong"]], ids=["none", "strong"])
def test_types_and_layouts_hold_the_same_numbers(policy: Policy) -> None:
    draws = draw(policy, COUNT, epoch=0, seed=0)
    plain = tensors(graph_of(policy, 97), photos(), draws)
    assert plain.dtype == torch.float32 and plain.is_contiguous()
    for dtype, kind in (("fp32", torch.float32), ("fp16", torch.float16)):
        for layout, order in (("nchw", torch.contiguous_format), ("channels_last", torch.channels_last)):
            found = tensors(graph_of(policy, 97, dtype=dtype, layout=layout), photos(), draws)
            assert found.shape == plain.shape and found.dtype == kind
            assert found.is_contiguous(memory_format=order)
            # numpy's conversion rounds to nearest, ties to even.
            np.testing.assert_array_equal(found.numpy(), plain.numpy().astype(found.numpy().dtype))


def test_half_bits_round_as_ieee_754_says() -> None:
    exponents = np.arange(-30, 16)[:, None]
    random = np.random.default_rng(0).random((len(exponents), 2000)) + 1
    ties = 1 + (np.arange(64) + 0.5) / 1024
    values = (np.concatenate([random, np.tile(ties, (len(exponents), 1))], 1) * 2.0**exponents).ravel()
    values = np.concatenate([values[values < 65504], [0.0, 65504.0, 2.0**-24, 2.0**-25, 3 * 2.0**-25]])
    values = np.concatenate([values, -values]).astype(np.float32)
    found = np.array([half_bits(value) for value in values], np.uint16)
    np.testing.assert_array_equal(found, values.astype(np.float16).view(np.uint16))


@pytest.mark.parametrize(
    ("policy", "channels"),
    [
        pytest.param(policy, channels, id=f"{name}-{channels}", marks=slow_where_long(name))
        for name, policy in (EXAMPLES | CHAINS).items()
        for channels in ((3, 4) if policy.auto == "none" else (4,))
    ],
)
def test_operators_of_the_cpu_equal_those_of_the_gpu(policy: Policy, channels: int) -> None:
    """The two paths, one for each device, agree; both run on the CPU here."""
    graph, draws = graph_of(policy, channels=channels), draw(policy, COUNT, epoch=0, seed=0)
    images = photos() if channels == 3 else cutouts()
    first, second = (by(graph, images, draws) for by in (by_cpus_operators, by_gpus_operators))
    # One grey level is 0.017 normalised units.
    assert np.abs(first - second).mean() < 0.017


@pytest.mark.parametrize("form", [{}, {"dtype": "fp16"}, {"layout": "channels_last"}], ids=str)
@pytest.mark.parametrize("policy", [POLICIES["team_a"], dataclasses.replace(EVERYTHING, hue=120.0)])
def test_colour_of_the_cpu_equals_the_operators_of_the_gpu(policy: Policy, form: dict) -> None:
    names = ("brightness", "contrast", "saturation", "hue", "grey")
    colour = Policy(**{name: getattr(policy, name) for name in names})
    graph, draws = graph_of(colour, SOURCE, **form), draw(colour, COUNT, epoch=0, seed=0)
    by_matrix, by_twist = (by(graph, photos(), draws) for by in (by_cpus_operators, by_gpus_operators))
    np.testing.assert_allclose(by_matrix, by_twist, atol=0.01)


def test_pasting_on_the_cpu_equals_the_operators_of_the_gpu() -> None:
    graph = graph_of(Policy(background=1.0), SOURCE, channels=4, mean=(0, 0, 0), std=(1, 1, 1))
    draws = draw(graph.policy, COUNT, epoch=0, seed=0)
    first, second = (255 * by(graph, cutouts(), draws) for by in (by_cpus_operators, by_gpus_operators))
    assert np.abs(first - second).max() < 1.01 and (np.abs(first - second) > 0.5).mean() < 1e-3


def test_team_as_jitter_is_as_strong_as_torchvisions_though_not_the_same() -> None:
    """Each is as far from the photo as the other; brightness alone is the same."""
    team, random = POLICIES["team_a"], np.random.default_rng(0)
    assert (team.brightness, team.contrast, team.saturation, team.hue / 360) == (0.5, 0.5, 0.5, 0.5)
    draws = draw(team, COUNT, epoch=0, seed=0)
    ours, theirs = [], []
    for i, photo in enumerate(photos()):
        one = draws.at(np.array([i]))
        matrix = jitter_matrices(one)[0]
        jittered = photo.astype(float) @ matrix[:, :3].T + matrix[:, 3]
        ours.append(np.abs(jittered.clip(0, 255) - photo).mean())
        steps = [
            lambda x, one=one: F.adjust_brightness(x, float(one["brightness"][0])),
            lambda x, one=one: F.adjust_contrast(x, float(one["contrast"][0])),
            lambda x, one=one: F.adjust_saturation(x, float(one["saturation"][0])),
            lambda x, one=one: F.adjust_hue(x, float(one["hue"][0]) / 360),
        ]
        pixels = torch.from_numpy(photo).permute(2, 0, 1)
        for step in random.permutation(4):
            pixels = steps[step](pixels)
        theirs.append(np.abs(pixels.permute(1, 2, 0).numpy().astype(float) - photo).mean())
    assert 0.7 < np.mean(ours) / np.mean(theirs) < 1.4
