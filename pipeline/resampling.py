"""The resize that every graph has, and the one compiled pass that does all that most policies want."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np
from numpy.typing import NDArray
from nvidia.dali import fn, types

from pipeline.augmentations.erase import blank_colour
from pipeline.definition import Frame, Node
from pipeline.operators.matrices import normalisation
from pipeline.operators.triangle import centres_of, reach_of, triangle


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
        # Given as inputs, the numbers would become constants on the GPU and come back for every batch.
        return pixels if whole else fn.slice(pixels, start=[first] * 2, shape=[count] * 2, axis_names="HW")
    if frame.device == "cpu":
        # This brings a compiler, which evaluation on a GPU should not have to load.
        from pipeline.operators.shrink import resize

        return resize(pixels, frame.source_size, side, first, count)
    return _resized_by_dali(pixels, frame.source_size, side, first, count)


def inside_share(source: int, side: int, first: int, count: int) -> NDArray[np.float64]:
    """How much of the weight of each pixel of an antialiased resize lies on the image.

    From 4 to 2 pixels the weights of the first output pixel are (1, 3, 3, 1) / 8, the first of them beyond
    the edge: 7 / 8.

    Args:
        source: pixels of the line.
        side: pixels of the whole resized line.
        first: the first of them that is wanted.
        count: how many are.

    Returns:
        [count], in (0, 1]; 1 where nothing lies beyond an edge.
    """
    reach = reach_of(source, side)
    rim = ceil(reach)
    weights = triangle(np.arange(-rim, source + rim), centres_of(source, side, first, count), reach)
    share: NDArray[np.float64] = weights[:, rim : rim + source].sum(1) / weights.sum(1)
    return share


def _resized_by_dali(pixels: Node, source: int, side: int, first: int, count: int) -> Node:
    """What `resize` of pipeline/operators/shrink.py makes, by DALI's operators: within one grey level.

    DALI's resize repeats the border's pixels for what the filter sees beyond an edge; PIL, torchvision and
    ours leave that out. So zeros are put there, and the sums divided by what of the weight is left.
    """
    step, rim = source / side, ceil(reach_of(source, side))
    framed = fn.slice(
        pixels,
        start=[-rim] * 2,
        shape=[source + 2 * rim] * 2,
        axis_names="HW",
        out_of_bounds_policy="pad",
        fill_values=[0],
    )
    sums = fn.resize(
        framed,
        size=[count] * 2,
        roi_start=[rim + first * step] * 2,
        roi_end=[rim + (first + count) * step] * 2,
        dtype=types.FLOAT,
        interp_type=types.INTERP_LINEAR,
        antialias=True,
    )
    gain = (1 / inside_share(source, side, first, count)).astype(np.float32)
    down = types.Constant(gain[:, None, None], device=pixels.device)
    across = types.Constant(gain[None, :, None], device=pixels.device)
    # The cast rounds.
    return fn.reshape(fn.cast(sums * down * across, dtype=types.UINT8), layout="HWC")


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
