"""The resize that every graph has, and the one compiled pass that does all that most policies want."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from nvidia.dali import fn, types

from pipeline.augmentations.erase import blank_colour
from pipeline.definition import Frame, Node
from pipeline.operators.matrices import normalisation


def resized(pixels: Node, frame: Frame, side: int, count: int) -> Node:
    """Make an antialiased resize and a cut of its middle; neither where nothing changes.

    Args:
        pixels: node of uint8 [source_size, source_size, channels].
        frame: of the graph.
        side: to which the whole image is resized, pixels.
        count: side of the middle that is kept, pixels.

    Returns:
        Node of uint8 [count, count, channels].
    """
    first = round((side - count) / 2)
    if side == frame.source_size:
        whole = count == side
        return pixels if whole else fn.slice(pixels, [first] * 2, [count] * 2, axis_names="HW")
    if frame.device == "cpu":
        # This brings a compiler, which evaluation on a GPU should not have to load.
        from pipeline.operators.shrink import resize

        return resize(pixels, frame.source_size, side, first, count)
    return fn.resize(
        pixels,
        size=[count, count],
        roi_start=[first / side] * 2,
        roi_end=[(first + count) / side] * 2,
        roi_relative=True,
        interp_type=types.INTERP_LINEAR,
        antialias=True,
    )


def one_pass(
    pixels: Node, parameters: Mapping[str, Node], frame: Frame, *, half: bool, interleaved: bool
) -> Node:
    """Make everything after the resize on the CPU: warp, erasing, colour and normalisation.

    Args:
        pixels: node of uint8 HWC of three channels.
        parameters: node `warp`, and `erase_corner`, `erase_extent` and `colour` where those are on.
        frame: of the graph.
        half: give float16 rather than float32.
        interleaved: give HWC rather than CHW.

    Returns:
        Node of normalised images.
    """
    # As above: this brings a compiler.
    from pipeline.operators.resample import resample

    nothing = types.Constant(np.zeros(2, np.float32))
    return resample(
        pixels,
        parameters["warp"],
        parameters.get("colour", types.Constant(normalisation(frame.mean, frame.std))),
        parameters.get("erase_corner", nothing),
        parameters.get("erase_extent", nothing),
        types.Constant(np.tile(np.array(blank_colour(frame.mean), np.uint8), (frame.image_size, 1))),
        half=half,
        interleaved=interleaved,
    )
