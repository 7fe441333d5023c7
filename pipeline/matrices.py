"""Draws turned into the numbers that image operators take: one warp, one colour matrix, one rectangle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.augment import Policy
from pipeline.draws import MID_GREY, BinArray, Draws, FloatArray

RGB_TO_YIQ: Final = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
"""NTSC luma and chroma, rounded as DALI's color_twist rounds them."""

OVERSAMPLING = 4 / 3
"""Source pixels an output pixel, per side, at which a bilinear warp is as sharp as an antialiased resize."""
WORTHWHILE = 0.95
"""A resize to more than this part of the source's side is left out: it would cost as much as the warp."""


def centre_window(image_size: int, centre: float) -> tuple[float, float]:
    """Where evaluation looks: torchvision's Resize(round(image_size / centre)) and CenterCrop(image_size).

    At 224 and 0.875 crops become 256 x 256 and lose 16 pixels on every side: (0.0625, 0.875).

    Args:
        image_size: side of the output, pixels.
        centre: share of the stored crop's side that is kept, in (0, 1].

    Returns:
        Left (and top) edge of the kept square and its side, as fractions of the stored crop's side.
    """
    resized = round(image_size / centre)
    return round((resized - image_size) / 2) / resized, image_size / resized


def working_size(policy: Policy, source_size: int, image_size: int, centre: float = 1.0) -> int:
    """Side to which crops are resized, with antialiasing, before they are warped; in pixels.

    A warp takes one bilinear sample for each output pixel. Straight from 256 to 96 it would skip most of the
    input, and training would see images a third sharper, by aliasing, than evaluation's antialiased ones
    (mean absolute Laplacian 11.7 against 8.9 grey levels on portraits). So crops are first resized to where
    the policy's average crop has `OVERSAMPLING` pixels for every output pixel, 148 for 96 and areas 0.5 to 1:
    then the two agree within 5 %. (With exactly one, the second interpolation blurs by 15 to 20 %.) At 224
    from 256 no such resize is needed and the result is `source_size`. A policy that only flips gets
    image_size / centre: its warp is then lossless.
    """
    kept = round(image_size / centre)
    if not policy.scales and policy.rotation == 0:
        return kept
    low, high = policy.crop_area
    size = round(OVERSAMPLING * kept / ((low + high) / 2) ** 0.5)
    return size if size < WORTHWHILE * source_size else source_size


def warp_matrices(draws: Draws, source_size: int, image_size: int, centre: float = 1.0) -> FloatArray:
    """Maps from output pixels to source pixels: crop, rotation, flip and resize in one.

    Both count pixel centres as (0, 0), (1, 0), ... as OpenCV does. An output pixel (u, v) is centred, scaled
    to the crop, mirrored, turned by the angle and put at the crop's centre:
    source = centre + R(angle) diag(flip * width, height) ((u, v) + 0.5 - image_size / 2) / image_size - 0.5.
    For the whole crop at equal sizes that is the identity. With `centre` below 1 the crop is one of the
    `centre_window`; what a turned or tilted one shows beyond that is real.

    Args:
        draws: n draws.
        source_size: side of the square source, pixels.
        image_size: side of the square output, pixels.
        centre: share of the source's side that evaluation keeps.

    Returns:
        float32 [n, 3, 3], to be applied to (u, v, 1).
    """
    start, share = centre_window(image_size, centre)
    angle = np.deg2rad(draws.angle.astype(np.float64))
    cos, sin = np.cos(angle), np.sin(angle)
    scale_x = draws.flip * draws.crop_width.astype(np.float64) * share * source_size / image_size
    scale_y = draws.crop_height.astype(np.float64) * share * source_size / image_size
    matrix = np.zeros((len(draws), 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos * scale_x, -sin * scale_y
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * scale_x, cos * scale_y
    at = np.stack([draws.crop_x, draws.crop_y], 1).astype(np.float64)
    middle = np.full(2, (image_size - 1) / 2)
    matrix[:, :2, 2] = (start + share * at) * source_size - 0.5 - matrix[:, :2, :2] @ middle
    matrix[:, 2, 2] = 1
    return matrix.astype(np.float32)


def colour_matrices(draws: Draws, mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """Colour jitter and normalisation as one affine map of an RGB pixel.

    The jitter is DALI's color_twist: hue turns the chroma plane of YIQ and saturation scales it, contrast c
    acts about mid grey, brightness b on the result: b (c T rgb + 128 (1 - c)). Then rgb / 255 is normalised:
    minus mean, over std. Values are not clipped in between. Greyscale is saturation 0: luma in all three.

    torchvision's ColorJitter does the same four with other formulas: it turns the hue of HSV, scales contrast
    about the image's mean grey, blends saturation with the luma, clips after each, and draws their order.
    With the same draws brightness and saturation agree within 0.5 grey levels, contrast and hue alone (0.5)
    differ by 8, and team A's four together by 13, where either moves a photo by 32 to 35 (mean absolute
    differences on 200 crops).

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


def blur_windows(draws: Draws) -> tuple[FloatArray, BinArray]:
    """Gaussian kernels that reach three standard deviations, and of one pixel where nothing is blurred.

    Returns:
        Standard deviations, pixels, float32 [n], and widths, odd numbers of pixels, int32 [n].
    """
    blurred = draws.blur_sigma > 0
    width = np.where(blurred, 2 * np.ceil(3 * draws.blur_sigma) + 1, 1)
    return np.where(blurred, draws.blur_sigma, 1).astype(np.float32), width.astype(np.int32)


def background_planes(corners: NDArray[np.float32]) -> FloatArray:
    """Coefficients of the colour behind a cut-out person, which blends linearly from corner to corner.

    Args:
        corners: [n, 4, 3] as in `Draws.background`.

    Returns:
        float32 [n, 4, 3] a, b, c and d: at x and y in 0 to 1 from the top left the colour is
        a + b x + c y + d x y.
    """
    left, right, below, across = np.moveaxis(corners, 1, 0)
    return np.stack([left, right - left, below - left, left - right - below + across], 1)
