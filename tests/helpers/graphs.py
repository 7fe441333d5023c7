"""Graphs to run on a few photos, and what numpy, OpenCV and PIL make of the same pixels and draws."""

from __future__ import annotations

import io
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut

from pipeline.augment import AUTO_BINS, Policy
from pipeline.draws import AUTO_OPERATIONS, Draws
from pipeline.engine import Engine
from pipeline.graph import Graph
from pipeline.matrices import background_planes, colour_matrices, erase_boxes, warp_matrices

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
COUNT, SOURCE = 6, 256


def photos() -> list[np.ndarray]:
    """Six different uint8 [256, 256, 3] parts of a portrait, with noise that makes resampling matter."""
    whole, random = astronaut(), np.random.default_rng(0)
    parts = [whole[y : y + SOURCE, x : x + SOURCE] for y in (0, 120, 256) for x in (0, 200)]
    return [np.clip(part + random.normal(0, 5, part.shape), 0, 255).astype(np.uint8) for part in parts]


def cutouts() -> list[np.ndarray]:
    """The same with an alpha that is smooth, and noisy in places: uint8 [256, 256, 4]."""
    at = np.hypot(*(np.mgrid[:SOURCE, :SOURCE] - SOURCE / 2)) / SOURCE
    alpha = np.clip(255 * (0.5 - at) / 0.15, 0, 255) + np.random.default_rng(1).normal(0, 10, at.shape)
    mask = alpha.clip(0, 255).astype(np.uint8)[..., None]
    return [np.concatenate([photo, mask], axis=2) for photo in photos()]


def encoded(image: np.ndarray, kind: str) -> np.ndarray:
    """The bytes of a file of that kind."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return np.frombuffer(buffer.getvalue(), np.uint8)


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
    size = graph.image_size
    image = _resampled(graph, image, draws)
    if graph.channels == 4:
        image = _pasted(image, draws.background[0])
    steps = zip(draws.auto_operation[0], draws.auto_bin[0], draws.auto_negated[0], strict=True)
    for operation, level, negated in steps:
        image = auto_operation(graph.policy.auto, AUTO_OPERATIONS[operation], image, level, negated)
    if draws.blur_sigma[0] > 0:
        width = 2 * int(np.ceil(3 * draws.blur_sigma[0])) + 1
        image = cv2.GaussianBlur(image, (width, width), float(draws.blur_sigma[0]))
    (y, x), (height, width) = (box[0].astype(int) for box in erase_boxes(draws, size))
    image[y : y + height, x : x + width] = np.round(np.array(MEAN) * 255)
    homogeneous = np.concatenate([image, np.ones((size, size, 1))], axis=2)
    return homogeneous @ colour_matrices(draws, (0, 0, 0), (1, 1, 1))[0].T.astype(float) * 255


def _resampled(graph: Graph, image: np.ndarray, draws: Draws) -> np.ndarray:
    size, source = graph.image_size, graph.warped_size
    if not graph.policy.moves_pixels:
        resized = round(size / graph.centre)
        edge = round((resized - size) / 2)
        return pil_resize(image, resized)[edge : edge + size, edge : edge + size].copy()
    image = image if source == SOURCE else pil_resize(image, source)
    cut_out = graph.channels == 4
    return cv2.warpPerspective(
        image,
        warp_matrices(draws, source, size, graph.centre)[0],
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if cut_out else cv2.BORDER_REFLECT_101,
        borderValue=(128, 128, 128, 0),
    )


def _pasted(image: np.ndarray, corners: np.ndarray) -> np.ndarray:
    at = (np.arange(len(image)) + 0.5) / len(image)
    a, b, c, d = background_planes(corners[None])[0].astype(float)
    x, y = at[None, :, None], at[:, None, None]
    share = image[..., 3:] / 255
    return np.round(share * image[..., :3] + (1 - share) * (a + b * x + c * y + d * x * y)).astype(np.uint8)


RANGES = {
    "translate_x": (100, 32),
    "translate_y": (100, 32),
    "shear_x": (0.3, 0.99),
    "shear_y": (0.3, 0.99),
    "rotate": (30, 135),
}
"""Greatest strength of RandAugment and of TrivialAugment at 224 pixels, as their papers give them."""


def auto_operation(auto: str, name: str, image: np.ndarray, level: int, negated: int) -> np.ndarray:
    """One operation of RandAugment or TrivialAugment on uint8 RGB [S, S, 3]."""
    wide = auto == "trivialaugment"
    size, share = len(image), level / (AUTO_BINS - 1)
    sign = -1 if negated else 1
    if name in RANGES:
        most = RANGES[name][wide] * (size / 224 if name.startswith("translate") else 1)
        if name.startswith("translate"):
            most = round(most)
        return _moved(image, name, sign * share * most)
    enhanced = 1 + sign * (0.01 + 0.98 * share if wide else 0.9 * share)
    if name == "brightness":
        return _levels(enhanced * image)
    if name == "contrast":
        middle = image.mean((0, 1)) @ (0.299, 0.587, 0.114)
        return _levels(middle + enhanced * (image - middle))
    if name == "color":
        luma = image @ np.array([0.299, 0.587, 0.114])
        return _levels(luma[..., None] + enhanced * (image - luma[..., None]))
    if name == "sharpness":
        blur = cv2.filter2D(image, -1, np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13).astype(float)
        return _levels(image + (enhanced - 1) * (image - blur))
    if name == "posterize":
        kept = max(1, round(8 - share * (6 if wide else 4)))
        return image & np.uint8(256 - 2 ** (8 - kept))
    if name == "solarize":
        return np.where(image < 256 * (1 - share), image, 255 - image)
    if name == "equalize":
        return cv2.merge([cv2.equalizeHist(plane) for plane in cv2.split(image)])
    if name == "auto_contrast":
        low, high = image.min((0, 1)).astype(float), image.max((0, 1)).astype(float)
        return _levels((image - low) * 255 / np.maximum(high - low, 1))
    assert name == "identity"
    return image


def _levels(values: np.ndarray) -> np.ndarray:
    return np.round(values).clip(0, 255).astype(np.uint8)


def _moved(image: np.ndarray, name: str, by: float) -> np.ndarray:
    """Shift (pixels), shear (slope) or turn (degrees); what is left free becomes grey 128."""
    size = len(image)
    if name == "rotate":
        matrix = cv2.getRotationMatrix2D(((size - 1) / 2, (size - 1) / 2), by, 1.0)
    else:
        matrix = np.eye(2, 3)
        row = 0 if name.endswith("x") else 1
        if name.startswith("translate"):
            matrix[row, 2] = by
        else:
            # About the corner of the first pixel, whose centre lies half a pixel inside.
            matrix[row, 1 - row], matrix[row, 2] = by, by / 2
    return cv2.warpAffine(
        image,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(128, 128, 128),
    )
