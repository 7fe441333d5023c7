"""What `paste` and `colour` do on the CPU, by DALI's own operators: they exist for both devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from nvidia.dali import fn, types

from pipeline.augment import COLOUR


def paste(rgba: Any, planes: Any, size: int) -> Any:
    """DALI node: the person on that background.

    Args:
        rgba: node of uint8 [size, size, 4] on either device, RGB not multiplied by alpha.
        planes: node of float32 [4, 3] on the CPU, as `matrices.background_planes` makes them.
        size: side of the images, pixels.

    Returns:
        Node of uint8 [size, size, 3] on the device of `rgba`.
    """
    middles = (np.arange(size, dtype=np.float32) + 0.5) / size
    x = types.Constant(middles[None, :, None], device=rgba.device)
    y = types.Constant(middles[:, None, None], device=rgba.device)
    start, right, down, across = (_beside(planes[i], rgba) for i in range(4))
    behind = start + right * x + (down + across * x) * y
    share = rgba[:, :, 3:4] / np.float32(255)
    mixed = behind + share * (rgba[:, :, :3] - behind)
    return fn.reshape(fn.cast(mixed, dtype=types.UINT8), layout="HWC")


def _beside(node: Any, other: Any) -> Any:
    """The node, on the other's device."""
    return node.gpu() if other.device == "gpu" else node


def twist_and_normalise(
    pixels: Any,
    parameters: Mapping[str, Any],
    mean: Sequence[float],
    std: Sequence[float],
    *,
    half: bool = False,
    interleaved: bool = False,
) -> Any:
    """DALI node: colour and normalisation.

    Args:
        pixels: node of uint8 HWC on either device.
        parameters: nodes of brightness, contrast, saturation and hue on the CPU, or none of them.
        mean: of R, G and B in 0 to 1 units.
        std: of R, G and B in 0 to 1 units.
        half: give float16 rather than float32.
        interleaved: give HWC rather than CHW.

    Returns:
        Node of floats, equal to what `colour.apply_colour` gives.
    """
    jitter = {name: parameters[name] for name in COLOUR if name in parameters}
    if jitter:
        pixels = fn.color_twist(pixels, dtype=types.FLOAT, **jitter)
    return fn.crop_mirror_normalize(
        pixels,
        dtype=types.FLOAT16 if half else types.FLOAT,
        output_layout="HWC" if interleaved else "CHW",
        mean=[255 * level for level in mean],
        std=[255 * level for level in std],
    )
