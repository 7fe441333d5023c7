"""Crop, scale, rotation and flip, which with the resize are one warp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import (
    SHARED_STREAM,
    Draws,
    Examples,
    FloatArray,
    Frame,
    Node,
    Numbers,
    Parameters,
    PixelAugmentation,
    between,
    rectangle,
)
from pipeline.operators.matrices import centre_window
from pipeline.ranges import area, aspect, number, up_to

WHOLE: Final = (1.0, 1.0)
BORDER: Final = (128, 128, 128, 0)
"""RGBA beyond the edge of a cut-out crop: nothing there, and no dark rim where that is interpolated."""
OVERSAMPLING: Final = 4 / 3
"""Source pixels an output pixel, per side, at which a bilinear warp is as sharp as an antialiased resize."""
WORTHWHILE: Final = 0.95
"""A resize to more than this part of the source's side is left out: it would cost as much as the warp."""


@dataclass(frozen=True, kw_only=True)
class GeometrySettings:
    """How far photos are cropped, turned and mirrored."""

    crop_area: tuple[float, float] = area(*WHOLE)
    """Least and greatest area of the random crop, as a fraction of the stored crop's; in (0, 1]."""
    crop_aspect: tuple[float, float] = aspect(*WHOLE)
    """Least and greatest width / height of the random crop; must span 1."""
    crop_from: float = number(1.0, least=1.0, greatest=2.0)
    """Side of the square that random crops are cut from, as a multiple of what evaluation sees; what it shows
    beyond the stored crop is mirrored. Crops of 70 to 100 % of the area are 0.920 wide in the geometric mean,
    so that with 1.087 faces are as large in training as in evaluation, on average."""
    rotation: float = up_to(180.0)
    """Greatest turn to either side, degrees; in [0, 180]."""
    flip: float = up_to(1.0)
    """Probability of swapping left and right."""
    vertical_flip: float = up_to(1.0)
    """Probability of swapping top and bottom, which faces do not bear: to show so."""

    @property
    def scales(self) -> bool:
        """Whether the random crop is on."""
        return self.crop_area != WHOLE or self.crop_aspect != WHOLE or self.crop_from != 1

    @property
    def moves_pixels(self) -> bool:
        """Whether crop, rotation or flip is on, so that the image is warped rather than resized."""
        return self.scales or self.rotation > 0 or self.flip > 0 or self.vertical_flip > 0


def working_size(settings: GeometrySettings, source_size: int, image_size: int, centre: float = 1.0) -> int:
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
    if not settings.scales and settings.rotation == 0:
        return kept
    low, high = settings.crop_area
    size = round(OVERSAMPLING * kept / (((low + high) / 2) ** 0.5 * settings.crop_from))
    return size if size < WORTHWHILE * source_size else source_size


def warp_matrices(draws: Draws, source_size: int, image_size: int, centre: float = 1.0) -> FloatArray:
    """Maps from output pixels to source pixels: crop, rotation, flip and resize in one.

    Both count pixel centres as (0, 0), (1, 0), ... as OpenCV does. An output pixel (u, v) is centred, scaled
    to the crop, mirrored, turned by the angle and put at the crop's centre:
    source = centre + R(angle) diag(flip * width, upright * height) ((u, v) + 0.5 - image_size / 2) /
    image_size - 0.5.
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
    angle = np.deg2rad(draws["angle"].astype(np.float64))
    cos, sin = np.cos(angle), np.sin(angle)
    scale = share * source_size / image_size
    scale_x = draws["flip"] * draws["crop_width"].astype(np.float64) * scale
    scale_y = draws["upright"] * draws["crop_height"].astype(np.float64) * scale
    matrix = np.zeros((len(angle), 3, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos * scale_x, -sin * scale_y
    matrix[:, 1, 0], matrix[:, 1, 1] = sin * scale_x, cos * scale_y
    at = np.stack([draws["crop_x"], draws["crop_y"]], 1).astype(np.float64)
    middle = np.full(2, (image_size - 1) / 2)
    matrix[:, :2, 2] = (start + share * at) * source_size - 0.5 - matrix[:, :2, :2] @ middle
    matrix[:, 2, 2] = 1
    return matrix.astype(np.float32)


class Geometry(PixelAugmentation[GeometrySettings]):
    """The one warp. It takes images of `working_size` and makes the only resampling of most photos."""

    name = "geometry"
    place = 0
    settings = GeometrySettings
    examples: ClassVar[Examples] = {
        "crop": {"crop_area": (0.5, 1.0), "crop_aspect": (0.8, 1.25)},
        "crop_from": {"crop_area": (0.7, 1.0), "crop_from": 1.25},
        "rotation": {"rotation": 30.0},
        "flip": {"flip": 0.5},
        "vertical_flip": {"vertical_flip": 0.5},
    }
    in_one_pass = True

    def acts(self, settings: GeometrySettings, frame: Frame) -> bool:
        return settings.moves_pixels

    def draw(self, settings: GeometrySettings, numbers: Numbers) -> Parameters:
        """Float32 [n] each: `crop_width` and `crop_height`, fractions of the stored crop's, in (0, 1] times
        `crop_from`; `crop_x` and `crop_y`, its centre, fractions of the same, so that unturned it lies inside
        the square that it is cut from; `angle`, degrees by which the picture turns counter-clockwise about
        that centre; `flip` and `upright`, -1 where left and right, or top and bottom, are swapped, else 1."""
        size, ratio, x, y, turn, mirror = numbers.uniform(**SHARED_STREAM).T[:6]
        sides = rectangle(between(*settings.crop_area, size), settings.crop_aspect, ratio)
        whole = np.float32(settings.crop_from)
        width, height = whole * sides[0], whole * sides[1]
        over = numbers.of("vertical_flip", 1)[:, 0]
        return {
            "crop_width": width,
            "crop_height": height,
            "crop_x": np.asarray(0.5 + (whole - width) * (x - 0.5), np.float32),
            "crop_y": np.asarray(0.5 + (whole - height) * (y - 0.5), np.float32),
            "angle": between(-settings.rotation, settings.rotation, turn),
            "flip": np.where(mirror < settings.flip, -1, 1).astype(np.float32),
            "upright": np.where(over < settings.vertical_flip, -1, 1).astype(np.float32),
        }

    def parameters(self, settings: GeometrySettings, draws: Draws, frame: Frame) -> Parameters:
        side = working_size(settings, frame.source_size, frame.image_size, frame.centre)
        return {"warp": warp_matrices(draws, side, frame.image_size, frame.centre)}

    def on_cpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: GeometrySettings, frame: Frame
    ) -> Node:
        from nvidia.dali import fn, types

        return fn.experimental.warp_perspective(
            pixels,
            matrix=parameters["warp"],
            size=[frame.image_size, frame.image_size],
            border_mode="reflect_101" if frame.channels == 3 else "constant",
            fill_value=list(BORDER[: frame.channels]),
            interp_type=types.INTERP_LINEAR,
            inverse_map=True,
            pixel_origin="center",
        )

    def reference(
        self, image: NDArray[Any], draws: Draws, settings: GeometrySettings, frame: Frame
    ) -> NDArray[Any]:
        import cv2

        return cv2.warpPerspective(
            image,
            warp_matrices(draws, len(image), frame.image_size, frame.centre)[0],
            (frame.image_size, frame.image_size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT_101 if frame.channels == 3 else cv2.BORDER_CONSTANT,
            borderValue=BORDER,
        )


AUGMENTATION = Geometry()
