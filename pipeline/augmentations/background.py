"""Pasting cut-out people onto a background: half of the random ones flat, half blending between corners."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import (
    Draws,
    Examples,
    FloatArray,
    Frame,
    Node,
    Numbers,
    Parameters,
    PixelAugmentation,
)
from pipeline.ranges import up_to

STREAM = {"stream": 3, "columns": 14}
MID_GREY = 128.0
"""Behind a cut-out person where no other background is drawn; a change of contrast leaves it where it is."""


@dataclass(frozen=True, kw_only=True)
class BackgroundSettings:
    """How often a cut-out person gets a random background; photos with their own are left as they are."""

    background: float = up_to(1.0)
    """Probability that a cut-out person is pasted onto random colours rather than mid grey."""


def background_planes(corners: NDArray[np.float32]) -> FloatArray:
    """Coefficients of the colour behind a cut-out person, which blends linearly from corner to corner.

    Args:
        corners: [n, 4, 3] as `Background.draw` gives them.

    Returns:
        float32 [n, 4, 3] a, b, c and d: at x and y in 0 to 1 from the top left the colour is
        a + b x + c y + d x y.
    """
    left, right, below, across = np.moveaxis(corners, 1, 0)
    return np.stack([left, right - left, below - left, left - right - below + across], 1)


def _planes(parameters: Mapping[str, Node]) -> Node:
    """The drawn planes, else mid grey."""
    from nvidia.dali import types

    grey = types.Constant(background_planes(np.full((1, 4, 3), MID_GREY, np.float32))[0])
    return parameters.get("background", grey)


class Background(PixelAugmentation[BackgroundSettings]):
    """Pastes every cut-out person onto a background, in evaluation too, where it is mid grey."""

    name = "background"
    place = 10
    settings = BackgroundSettings
    examples: ClassVar[Examples] = {"background": {"background": 1.0}}

    def acts(self, settings: BackgroundSettings, frame: Frame) -> bool:
        return frame.channels == 4

    def draw(self, settings: BackgroundSettings, numbers: Numbers) -> Parameters:
        """`background`, float32 [n, 4, 3]: R, G and B in 0 to 255 of the corners top left, top right, bottom
        left and bottom right; all alike for a flat background."""
        u = numbers.uniform(**STREAM)
        corners = 255 * u[:, 2:].reshape(numbers.n, 4, 3)
        flat = u[:, 1] < 0.5
        corners[flat] = corners[flat, :1]
        corners[u[:, 0] >= settings.background] = MID_GREY
        return {"background": corners}

    def parameters(self, settings: BackgroundSettings, draws: Draws, frame: Frame) -> Parameters:
        return {"background": background_planes(draws["background"])} if settings.background > 0 else {}

    def on_cpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: BackgroundSettings, frame: Frame
    ) -> Node:
        # This brings a compiler, which evaluation on a GPU should not have to load.
        from pipeline.operators.paste import paste

        return paste(pixels, _planes(parameters))

    def on_gpu(
        self, pixels: Node, parameters: Mapping[str, Node], settings: BackgroundSettings, frame: Frame
    ) -> Node:
        from nvidia.dali import fn, types

        planes = _planes(parameters)
        middles = (np.arange(frame.image_size, dtype=np.float32) + 0.5) / frame.image_size
        x = types.Constant(middles[None, :, None], device=pixels.device)
        y = types.Constant(middles[:, None, None], device=pixels.device)
        start, right, down, across = (_beside(planes[i], pixels) for i in range(4))
        behind = start + right * x + (down + across * x) * y
        share = pixels[:, :, 3:4] / np.float32(255)
        mixed = behind + share * (pixels[:, :, :3] - behind)
        return fn.reshape(fn.cast(mixed, dtype=types.UINT8), layout="HWC")

    def reference(
        self, image: NDArray[Any], draws: Draws, settings: BackgroundSettings, frame: Frame
    ) -> NDArray[Any]:
        at = (np.arange(len(image)) + 0.5) / len(image)
        a, b, c, d = background_planes(draws["background"])[0].astype(float)
        x, y = at[None, :, None], at[:, None, None]
        share = image[..., 3:] / 255
        pasted = share * image[..., :3] + (1 - share) * (a + b * x + c * y + d * x * y)
        levels: NDArray[np.uint8] = np.round(pasted).astype(np.uint8)
        return levels


def _beside(node: Node, other: Node) -> Node:
    """The node, on the other's device."""
    return node.gpu() if other.device == "gpu" else node


AUGMENTATION = Background()
