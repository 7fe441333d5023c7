"""Graphs to run on a few photos, and what numpy, OpenCV and PIL make of the same pixels and draws.

`EXAMPLES` holds the examples of every augmentation that is registered: a new one is tested by itself.
"""

from __future__ import annotations

import dataclasses
import io
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from nvidia.dali import fn, pipeline_def, types
from PIL import Image
from skimage.data import astronaut

from pipeline.augment import REGISTERED, Policy
from pipeline.definition import Draws
from pipeline.engine import DALI_TYPES, Engine
from pipeline.graph import Graph

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COUNT, SOURCE = 6, 256
EXAMPLES = {
    name: Policy(**settings)
    for augmentation in REGISTERED
    for name, settings in augmentation.examples.items()
}
"""A policy for each example, by its name."""


def slow_where_long(name: str) -> tuple[pytest.MarkDecorator, ...]:
    """RandAugment is the operators of TrivialAugment several times over, which DALI defines in five seconds:
    quick tests hold it against the reference alone."""
    return (pytest.mark.slow,) if name == "randaugment" else ()


def photos() -> list[np.ndarray]:
    """Six different uint8 [256, 256, 3] parts of a portrait, with noise that makes resampling matter."""
    return [*_photos()]


@cache
def _photos() -> list[np.ndarray]:
    whole, random = astronaut(), np.random.default_rng(0)
    parts = [whole[y : y + SOURCE, x : x + SOURCE] for y in (0, 120, 256) for x in (0, 200)]
    return [np.clip(part + random.normal(0, 5, part.shape), 0, 255).astype(np.uint8) for part in parts]


def cutouts() -> list[np.ndarray]:
    """The same with an alpha that is smooth, and noisy in places: uint8 [256, 256, 4]."""
    return [*_cutouts()]


@cache
def _cutouts() -> list[np.ndarray]:
    at = np.hypot(*(np.mgrid[:SOURCE, :SOURCE] - SOURCE / 2)) / SOURCE
    alpha = np.clip(255 * (0.5 - at) / 0.15, 0, 255) + np.random.default_rng(1).normal(0, 10, at.shape)
    mask = alpha.clip(0, 255).astype(np.uint8)[..., None]
    return [np.concatenate([photo, mask], axis=2) for photo in photos()]


def encoded(image: np.ndarray, kind: str) -> np.ndarray:
    """The bytes of a file of that kind."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return np.frombuffer(buffer.getvalue(), np.uint8)


def replaced(draws: Draws, **arrays: np.ndarray) -> Draws:
    """The draws with other values under these names."""
    assert arrays.keys() <= draws.arrays.keys()
    return Draws({**draws.arrays, **arrays})


def graph_of(policy: Policy, image_size: int = 224, **changed: Any) -> Graph:
    settings = {"codec": "raw", "source_size": SOURCE, "mean": MEAN, "std": STD, "device": "cpu"}
    return Graph(policy=policy, image_size=image_size, **(settings | changed))


def tensors(graph: Graph, images: list[np.ndarray], draws: Draws) -> torch.Tensor:
    """The graph's output, [n, 3, H, W]."""
    engine = Engine(graph, batch_size=len(images), threads=1)
    (batch,) = engine.run(iter([[images, *graph.parameters(draws).values()]]))
    return batch


def run(graph: Graph, images: list[np.ndarray], draws: Draws) -> np.ndarray:
    """The graph's output as grey levels, float [n, H, W, 3]."""
    return (tensors(graph, images, draws).float().cpu().numpy().transpose(0, 2, 3, 1) * STD + MEAN) * 255


def by_gpus_operators(graph: Graph, images: list[np.ndarray], draws: Draws) -> np.ndarray:
    """What the operators that the graph has on a GPU make of raw crops, run on the CPU: [n, ...]."""
    on_gpu = dataclasses.replace(graph, device="gpu")
    parameters = on_gpu.parameters(draws)
    inputs = [images, *parameters.values()]

    @pipeline_def(
        batch_size=len(images), num_threads=1, device_id=None, enable_conditionals=graph.conditional
    )
    def make() -> Any:
        pixels, *nodes = fn.external_source(
            lambda: inputs,
            num_outputs=len(inputs),
            dtype=[types.UINT8] + [DALI_TYPES[values.dtype.name] for values in parameters.values()],
            ndim=[3] + [values.ndim - 1 for values in parameters.values()],
            layout=["HWC"] + [""] * len(parameters),
        )
        return on_gpu.finish(pixels, {name: nodes[i] for i, name in enumerate(parameters)})

    pipeline = make()
    pipeline.build()
    return np.asarray(pipeline.run()[0].as_array())


def by_cpus_operators(graph: Graph, images: list[np.ndarray], draws: Draws) -> np.ndarray:
    """The same of the operators that it has on the CPU."""
    found = tensors(graph, images, draws).numpy()
    return found.transpose(0, 2, 3, 1) if graph.layout == "channels_last" else found


def pil_resize(image: np.ndarray, size: int) -> np.ndarray:
    """PIL's antialiased resize."""
    # Channel by channel: of RGBA, PIL would multiply the colours by alpha first.
    planes = [
        Image.fromarray(np.ascontiguousarray(image[..., c])).resize((size, size), Image.Resampling.BILINEAR)
        for c in range(image.shape[2])
    ]
    return np.stack([np.asarray(plane) for plane in planes], axis=2)


def _mirrored(places: np.ndarray, length: int) -> np.ndarray:
    """101 reflection of places up to a length beyond either edge, and the far edge after that."""
    return (length - 1 - np.abs(length - 1 - np.abs(places))).clip(0, length - 1)


def bilinear(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """A warp with mirrored borders as its definition says, in double precision: float [size, size, 3]."""
    v, u = np.mgrid[:size, :size]
    x, y = (matrix[:2, :2].astype(float) @ np.stack([u.ravel(), v.ravel()])) + matrix[:2, 2:].astype(float)
    whole_x, whole_y = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = (x - whole_x)[:, None], (y - whole_y)[:, None]
    height, width = image.shape[:2]
    (upper, lower), (left, beside) = (
        (_mirrored(whole, length), _mirrored(whole + 1, length))
        for whole, length in ((whole_y, height), (whole_x, width))
    )
    photo = image.astype(float)
    above = photo[upper, left] * (1 - right) + photo[upper, beside] * right
    below = photo[lower, left] * (1 - right) + photo[lower, beside] * right
    return (above * (1 - down) + below * down).reshape(size, size, 3)


def reference(graph: Graph, image: np.ndarray, draws: Draws) -> np.ndarray:
    """What one image should become: grey levels, float [H, W, 3]."""
    image = _resized(graph, image)
    for augmentation in (*graph.steps, *graph.colours):
        image = augmentation.reference(image, draws, graph.policy, graph)
    return image


def _resized(graph: Graph, image: np.ndarray) -> np.ndarray:
    if graph.policy.moves_pixels:
        return image if graph.warped_size == SOURCE else pil_resize(image, graph.warped_size)
    resized = round(graph.image_size / graph.centre)
    edge = round((resized - graph.image_size) / 2)
    kept = slice(edge, edge + graph.image_size)
    return pil_resize(image, resized)[kept, kept].copy()
