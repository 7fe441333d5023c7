"""The DALI graph against OpenCV, PIL and numpy on the same pixels and the same drawn numbers."""

from __future__ import annotations

import dataclasses
import io

import cv2
import numpy as np
import pytest
from nvidia.dali import Pipeline, fn, types
from PIL import Image
from skimage.data import astronaut

from pipeline.augment import POLICIES, Draws, Policy, draw
from pipeline.colour import apply_colour
from pipeline.engine import Engine
from pipeline.graph import Graph
from pipeline.matrices import colour_matrices, erase_boxes, warp_matrices

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COUNT, SOURCE = 6, 256


def photos() -> list[np.ndarray]:
    """Six different uint8 [256, 256, 3] parts of a portrait, with noise that makes resampling matter."""
    whole, random = astronaut(), np.random.default_rng(0)
    parts = [whole[y : y + SOURCE, x : x + SOURCE] for y in (0, 120, 256) for x in (0, 200)]
    return [np.clip(part + random.normal(0, 5, part.shape), 0, 255).astype(np.uint8) for part in parts]


def jpeg(image: np.ndarray) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95)
    return np.frombuffer(buffer.getvalue(), np.uint8)


def graph_of(policy: Policy, image_size: int = 224, codec: str = "raw", device: str = "cpu") -> Graph:
    return Graph(
        codec=codec,
        source_size=SOURCE,
        image_size=image_size,
        mean=MEAN,
        std=STD,
        policy=policy,
        device=device,
    )


def run(graph: Graph, images: list[np.ndarray], draws: Draws) -> np.ndarray:
    """The graph's output as grey levels, float [n, H, W, 3]."""
    engine = Engine(graph, batch_size=len(images), threads=1)
    (batch,) = engine.run(iter([[images, *graph.parameters(draws).values()]]))
    return (batch.numpy().transpose(0, 2, 3, 1) * STD + MEAN) * 255


def pil_resize(image: np.ndarray, size: int) -> np.ndarray:
    return np.array(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))


def edged_resize(image: np.ndarray, size: int) -> np.ndarray:
    """PIL's antialiased resize, its filter seeing border pixels repeated outwards as DALI's does."""
    margin = 16
    padded = Image.fromarray(np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge"))
    box = (margin, margin, margin + image.shape[1], margin + image.shape[0])
    return np.array(padded.resize((size, size), Image.Resampling.BILINEAR, box=box))


def reference(graph: Graph, image: np.ndarray, draws: Draws) -> np.ndarray:
    """What one image should become, by OpenCV and numpy: grey levels, float [H, W, 3]."""
    size, source = graph.image_size, graph.warped_size
    if not graph.policy.moves_pixels:
        image = edged_resize(image, size)
    else:
        image = image if source == SOURCE else edged_resize(image, source)
        matrix = warp_matrices(draws, source, size)[0]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        image = cv2.warpPerspective(
            image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101
        )
    (y, x), (height, width) = (box[0].astype(int) for box in erase_boxes(draws, size))
    image[y : y + height, x : x + width] = np.round(np.array(MEAN) * 255)
    homogeneous = np.concatenate([image, np.ones((size, size, 1))], axis=2)
    return homogeneous @ colour_matrices(draws, (0, 0, 0), (1, 1, 1))[0].T.astype(float) * 255


ALONE = {
    "crop": Policy(crop_area=(0.5, 1.0), crop_aspect=(0.8, 1.25)),
    "rotation": Policy(rotation=30.0),
    "flip": Policy(flip=0.5),
    "brightness": Policy(brightness=0.5),
    "contrast": Policy(contrast=0.5),
    "saturation": Policy(saturation=1.0),
    "hue": Policy(hue=180.0),
    "erase": Policy(erase=0.7),
}


@pytest.mark.parametrize("policy", [*ALONE.values(), *POLICIES.values()], ids=[*ALONE, *POLICIES])
@pytest.mark.parametrize("image_size", [96, 224])
def test_graph_equals_the_reference(policy: Policy, image_size: int) -> None:
    graph, images = graph_of(policy, image_size), photos()
    draws = draw(policy, COUNT, epoch=1, seed=3)
    found = run(graph, images, draws)
    for i, image in enumerate(images):
        expected = reference(graph, image, draws.at(np.array([i])))
        assert np.abs(found[i] - expected).mean() < 1.0
        assert np.abs(found[i] - expected).max() < 5.0


def test_warp_alone_is_bit_equal_to_opencv() -> None:
    policy = dataclasses.replace(POLICIES["light"], rotation=20.0)
    draws = draw(policy, COUNT, epoch=0, seed=0)
    found = run(graph_of(policy), photos(), draws)
    for i, image in enumerate(photos()):
        expected = reference(graph_of(policy), image, draws.at(np.array([i])))
        np.testing.assert_allclose(found[i], expected, atol=1e-3)


@pytest.mark.parametrize("image_size", [64, 96, 112, 224, 288])
def test_evaluation_equals_pil_resize(image_size: int) -> None:
    draws = draw(POLICIES["none"], COUNT, epoch=0, seed=0)
    found = run(graph_of(POLICIES["none"], image_size), photos(), draws)
    for i, image in enumerate(photos()):
        assert np.abs(found[i] - pil_resize(image, image_size)).mean() < 0.6


def test_flip_alone_is_the_mirrored_evaluation_image() -> None:
    policy = Policy(flip=1.0)
    draws = draw(policy, COUNT, epoch=0, seed=0)
    flipped = run(graph_of(policy), photos(), draws)
    plain = run(graph_of(POLICIES["none"]), photos(), draws)
    np.testing.assert_allclose(flipped, plain[:, :, ::-1], atol=1e-3)


def test_jpeg_decodes_as_pil_does() -> None:
    files = [jpeg(photo) for photo in photos()]
    decoded = [np.asarray(Image.open(io.BytesIO(file.tobytes()))) for file in files]
    draws = draw(POLICIES["full"], COUNT, epoch=0, seed=0)
    from_jpeg = run(graph_of(POLICIES["full"], codec="jpeg"), files, draws)
    np.testing.assert_array_equal(from_jpeg, run(graph_of(POLICIES["full"]), decoded, draws))


def test_colour_matrix_equals_dalis_own_operators() -> None:
    """The two colour paths, one for each device, agree; both run on the CPU here."""
    policy = Policy(brightness=0.4, contrast=0.4, saturation=0.8, hue=120.0)
    draws, images = draw(policy, COUNT, epoch=0, seed=0), photos()
    twisting = graph_of(policy, device="gpu").parameters(draws)
    inputs = [images, colour_matrices(draws, MEAN, STD), *twisting.values()]
    pipeline = Pipeline(batch_size=COUNT, num_threads=1, device_id=None)
    with pipeline:
        source, matrix, *nodes = fn.external_source(
            lambda: inputs,
            num_outputs=len(inputs),
            dtype=[types.UINT8] + [types.FLOAT] * 5,
            ndim=[3, 2] + [0] * 4,
            layout=["HWC"],
        )
        nodes = dict(zip(twisting, nodes, strict=True))
        twisted = graph_of(policy).twist_and_normalise(source, nodes)
        pipeline.set_outputs(twisted, apply_colour(source, matrix))
    by_twist, by_matrix = (output.as_array() for output in pipeline.run())
    # One grey level is 0.017 normalised units.
    np.testing.assert_allclose(by_matrix, by_twist, atol=0.01)


@pytest.mark.parametrize("codec", ["jpeg", "raw"])
@pytest.mark.parametrize("policy", [*ALONE.values(), *POLICIES.values()], ids=[*ALONE, *POLICIES])
def test_gpu_graph_is_defined_for_every_policy(policy: Policy, codec: str) -> None:
    """Definition checks names, devices and arguments of every operator; building needs a GPU."""
    graph = graph_of(policy, codec=codec, device="gpu")
    example = graph.parameters(draw(policy, 1, epoch=0, seed=0))
    ndim, layout = (3, "HWC") if codec == "raw" else (1, "")
    with Pipeline(batch_size=2, num_threads=1, device_id=0):
        image = fn.external_source(lambda: [], dtype=types.UINT8, ndim=ndim, layout=layout)
        nodes = {
            name: fn.external_source(lambda: [], dtype=types.FLOAT, ndim=values.ndim - 1)
            for name, values in example.items()
        }
        assert graph.define(image, nodes).device == "gpu"


def test_augmentation_off_takes_no_input() -> None:
    draws = draw(POLICIES["full"], 1, epoch=0, seed=0)
    assert graph_of(POLICIES["none"]).parameters(draws) == {}
    assert set(graph_of(POLICIES["light"]).parameters(draws)) == {"warp"}
    assert set(graph_of(Policy(hue=5.0)).parameters(draws)) == {"colour"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 8}, "at least 16 pixels, got 8"),
        ({"std": (0.0, 1.0, 1.0)}, "positive stds"),
        ({"mean": (123.7, 116.3, 103.5)}, "0 to 1 units"),
        ({"device": "cuda"}, "'cpu' or 'gpu', got 'cuda'"),
    ],
)
def test_bad_settings_are_named(change: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(graph_of(POLICIES["none"]), **change)
