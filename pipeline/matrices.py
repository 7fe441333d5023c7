"""Draws turned into the numbers that image operators take: one warp, one colour matrix, one rectangle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.augment import MID_GREY, RGB_TO_YIQ, Draws, FloatArray, Policy

OVERSAMPLING = 4 / 3
"""Source pixels an output pixel, per side, at which a bilinear warp is as sharp as an antialiased resize."""
WORTHWHILE = 0.95
"""A resize to more than this part of the source's side is left out: it would cost as much as the warp."""


def working_size(policy: Policy, source_size: int, image_size: int) -> int:
    """Side to which crops are resized, with antialiasing, before they are warped; in pixels.

    A warp takes one bilinear sample for each output pixel. Straight from 256 to 96 it would skip most of the
    input, and training would see images a third sharper, by aliasing, than evaluation's antialiased ones
    (mean absolute Laplacian 11.7 against 8.9 grey levels on portraits). So crops are first resized to where
    the policy's average crop has `OVERSAMPLING` pixels for every output pixel, 148 for 96 and areas 0.5 to 1:
    then the two agree within 5 %. (With exactly one, the second interpolation blurs by 15 to 20 %.) At 224
    from 256 no such resize is needed and the result is `source_size`. A policy that only flips gets
    image_size: its warp is then lossless.
    """
    if not policy.scales and policy.rotation == 0:
        return image_size
    low, high = policy.crop_area
    size = round(OVERSAMPLING * image_size / ((low + high) / 2) ** 0.5)
    return size if size < WORTHWHILE * source_size else source_size


def warp_matrices(draws: Draws, source_size: int, image_size: int) -> FloatArray:
    """Maps from output pixels to source pixels: crop, rotation, flip and resize in one.

    Both count pixel centres as (0, 0), (1, 0), ... as OpenCV does. An output pixel (u, v) is centred, scaled
    to the crop, mirrored, turned by the angle and put at the crop's centre:
    source = centre + R(angle) diag(flip * width, height) ((u, v) + 0.5 - image_size / 2) / image_size - 0.5.
    For the whole crop at equal sizes that is the identity.

    Args:
        draws: n draws.
        source_size: side of the square source, pixels.
        image_size: side of the square output, pixels.

    Returns:
        float32 [n, 3, 3], to be applied to (u, v, 1).
    """
    angle = np.deg2rad(draws.angle.astype(np.float64))
    cos, sin = np.cos(angle), np.sin(angle)
    scale_x = draws.flip * draws.crop_width.astype(np.float64) * source_size / image_size
    scale_y = draws.crop_height.astype(np.float64) * source_size / image_size
    matrix = np.zeros((len(draws), 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos * scale_x, -sin * scale_y
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * scale_x, cos * scale_y
    centre = np.stack([draws.crop_x, draws.crop_y], 1).astype(np.float64) * source_size - 0.5
    middle = np.full(2, (image_size - 1) / 2)
    matrix[:, :2, 2] = centre - matrix[:, :2, :2] @ middle
    matrix[:, 2, 2] = 1
    return matrix.astype(np.float32)


def colour_matrices(draws: Draws, mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """Colour jitter and normalisation as one affine map of an RGB pixel.

    The jitter is DALI's color_twist: hue turns the chroma plane of YIQ and saturation scales it, contrast c
    acts about mid grey, brightness b on the result: b (c T rgb + 128 (1 - c)). Then rgb / 255 is normalised:
    minus mean, over std. Values are not clipped in between.

    Args:
        draws: n draws.
        mean: of R, G and B in 0 to 1 units.
        std: of R, G and B in 0 to 1 units.

    Returns:
        float32 [n, 3, 4], to be applied to (R, G, B, 1) with R, G and B in 0 to 255.
    """
    hue = np.deg2rad(draws.hue.astype(np.float64))
    chroma = np.zeros((len(draws), 3, 3))
    chroma[:, 0, 0] = 1
    chroma[:, 1, 1] = chroma[:, 2, 2] = draws.saturation * np.cos(hue)
    chroma[:, 1, 2] = draws.saturation * np.sin(hue)
    chroma[:, 2, 1] = -chroma[:, 1, 2]
    jitter = np.linalg.inv(RGB_TO_YIQ) @ chroma @ RGB_TO_YIQ
    brightness, contrast = draws.brightness.astype(np.float64), draws.contrast.astype(np.float64)
    jitter *= (brightness * contrast)[:, None, None]
    offset = brightness * (1 - contrast) * MID_GREY
    affine = np.concatenate([jitter, np.repeat(offset[:, None, None], 3, axis=1)], axis=2)
    affine /= 255 * np.asarray(std, np.float64)[:, None]
    affine[:, :, 3] -= np.asarray(mean) / np.asarray(std)
    return affine.astype(np.float32)


def normalisation(mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """The colour matrix of no jitter: float32 [3, 4], from (R, G, B, 1) in 0 to 255 to normalised units."""
    scale = np.diag(1 / (255 * np.asarray(std, np.float64)))
    offset = -np.asarray(mean, np.float64) / np.asarray(std, np.float64)
    return np.concatenate([scale, offset[:, None]], axis=1).astype(np.float32)


def erase_boxes(draws: Draws, image_size: int) -> tuple[FloatArray, FloatArray]:
    """Rectangles to blank, in whole output pixels.

    Returns:
        Top left corners (y, x) and extents (height, width), each float32 [n, 2]; extents are 0 where nothing
        is erased, and every rectangle lies inside the image.
    """
    extent = np.round(np.stack([draws.erase_height, draws.erase_width], 1) * image_size)
    free = image_size - extent
    corner = np.floor(np.stack([draws.erase_y, draws.erase_x], 1) * (free + 1))
    return np.minimum(corner, free).astype(np.float32), extent.astype(np.float32)
