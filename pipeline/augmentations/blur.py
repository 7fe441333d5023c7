"""Gaussian blur of some photos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import (
    LOOK_STREAM,
    BinArray,
    Draws,
    Examples,
    FloatArray,
    Frame,
    Node,
    Numbers,
    Parameters,
    PixelAugmentation,
    between,
)
from pipeline.ranges import span, up_to


@dataclass(frozen=True, kw_only=True)
class BlurSettings:
    """How often photos are blurred, and how much."""

    blur: float = up_to(1.0)
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = span(0.1, 2.0, least=0.1, greatest=10.0, unit="pixels")
    """Least and greatest standard deviation of that blur, output pixels; in [0.1, 10]."""


def blur_windows(draws: Draws) -> tuple[FloatArray, BinArray]:
    """Gaussian kernels that reach three standard deviations, and of one pixel where nothing is blurred.

    Returns:
        Standard deviations, pixels, float32 [n], and widths, odd numbers of pixels, int32 [n].
    """
    sigma = draws["blur_sigma"]
    width = np.where(sigma > 0, 2 * np.ceil(3 * sigma) + 1, 1)
    return np.where(sigma > 0, sigma, 1).astype(np.float32), width.astype(np.int32)


class Blur(PixelAugmentation[BlurSettings]):
    """Blurs some photos. The others skip the operator, since a blur of no width would still cost 590 us an
    image of 224, a real one 1,400 us and more (one CPU thread)."""

    name = "blur"
    place = 30
    settings = BlurSettings
    examples: ClassVar[Examples] = {"blur": {"blur": 0.7}}
    conditional = True

    def acts(self, settings: BlurSettings, frame: Frame) -> bool:
        return settings.blur > 0

    def draw(self, settings: BlurSettings, numbers: Numbers) -> Parameters:
        """`blur_sigma`, float32 [n]: standard deviation, output pixels; 0 where there is no blur."""
        _, blurred, sigma = numbers.uniform(**LOOK_STREAM).T
        sigma = np.where(blurred < settings.blur, between(*settings.blur_sigma, sigma), 0)
        return {"blur_sigma": sigma.astype(np.float32)}

    def parameters(self, settings: BlurSettings, draws: Draws, frame: Frame) -> Parameters:
        sigma, width = blur_windows(draws)
        return {"blur_sigma": sigma, "blur_width": width}

    def on_cpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: BlurSettings, frame: Frame
    ) -> Node:
        from nvidia.dali import fn, types

        from pipeline.operators.some import for_some

        def blurred(some: Node, sigma: Node, width: Node) -> Node:
            return fn.gaussian_blur(some, sigma=sigma, window_size=width)

        sigma, width = parameters["blur_sigma"], parameters["blur_width"]
        return for_some(fn.cast(width > 1, dtype=types.INT32), blurred, pixels, sigma, width)

    def reference(
        self, image: NDArray[Any], draws: Draws, settings: BlurSettings, frame: Frame
    ) -> NDArray[Any]:
        import cv2

        sigma = float(draws["blur_sigma"][0])
        if sigma == 0:
            return image
        width = 2 * int(np.ceil(3 * draws["blur_sigma"][0])) + 1
        return cv2.GaussianBlur(image, (width, width), sigma)


AUGMENTATION = Blur()
