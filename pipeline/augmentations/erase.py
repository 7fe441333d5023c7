"""Random erasing (Zhong et al., AAAI 2020): one rectangle of some photos becomes the mean colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

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
from pipeline.ranges import area, aspect, up_to


@dataclass(frozen=True, kw_only=True)
class EraseSettings:
    """How often a rectangle is blanked, and of what size."""

    erase: float = up_to(1.0)
    """Probability of blanking one rectangle with the mean colour."""
    erase_area: tuple[float, float] = area(0.02, 0.2)
    """Least and greatest area of that rectangle, as a fraction of the image's; in (0, 1]."""
    erase_aspect: tuple[float, float] = aspect(0.5, 2.0)
    """Least and greatest width / height of that rectangle; must span 1."""


def erase_boxes(draws: Draws, image_size: int) -> tuple[FloatArray, FloatArray]:
    """Rectangles to blank, in whole output pixels.

    Returns:
        Top left corners (y, x) and extents (height, width), each float32 [n, 2]; extents are 0 where nothing
        is erased, and every rectangle lies inside the image.
    """
    extent = np.round(np.stack([draws["erase_height"], draws["erase_width"]], 1) * image_size)
    free = image_size - extent
    corner = np.floor(np.stack([draws["erase_y"], draws["erase_x"]], 1) * (free + 1))
    return np.minimum(corner, free).astype(np.float32), extent.astype(np.float32)


def blank_colour(mean: tuple[float, float, float]) -> list[int]:
    """R, G and B in 0 to 255 of erased pixels: the mean colour."""
    return [round(255 * level) for level in mean]


class Erase(PixelAugmentation[EraseSettings]):
    """Blanks a rectangle of some photos."""

    name = "erase"
    place = 50
    settings = EraseSettings
    examples: ClassVar[Examples] = {"erase": {"erase": 0.7}}
    in_one_pass = True

    def acts(self, settings: EraseSettings, frame: Frame) -> bool:
        return settings.erase > 0

    def draw(self, settings: EraseSettings, numbers: Numbers) -> Parameters:
        """Float32 [n] each: `erase_width` and `erase_height`, fractions of the image's, 0 where nothing is
        erased; `erase_x` and `erase_y`, left and top edge, fractions of what the rectangle leaves free."""
        chosen, size, ratio, x, y = numbers.uniform(**SHARED_STREAM).T[10:]
        width, height = rectangle(between(*settings.erase_area, size), settings.erase_aspect, ratio)
        erased = chosen < settings.erase
        return {
            "erase_width": np.where(erased, width, 0).astype(np.float32),
            "erase_height": np.where(erased, height, 0).astype(np.float32),
            "erase_x": x,
            "erase_y": y,
        }

    def parameters(self, settings: EraseSettings, draws: Draws, frame: Frame) -> Parameters:
        corner, extent = erase_boxes(draws, frame.image_size)
        return {"erase_corner": corner, "erase_extent": extent}

    def on_cpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: EraseSettings, frame: Frame
    ) -> Node:
        from nvidia.dali import fn

        return fn.erase(
            pixels,
            anchor=parameters["erase_corner"],
            shape=parameters["erase_extent"],
            axis_names="HW",
            fill_value=blank_colour(frame.mean),
        )

    def reference(
        self, image: NDArray[Any], draws: Draws, settings: EraseSettings, frame: Frame
    ) -> NDArray[Any]:
        (y, x), (height, width) = (box[0].astype(int) for box in erase_boxes(draws, frame.image_size))
        image = image.copy()
        image[y : y + height, x : x + width] = np.round(np.array(frame.mean) * 255)
        return image


AUGMENTATION = Erase()
