"""The DALI graph from stored crops and drawn numbers to normalised images, knowing neither reader nor cache.

decode, one warp (crop, scale, rotation, flip and resize), paste, RandAugment or TrivialAugment, blur, erase,
one pass for colour and normalisation. On the CPU warp, erasing and colour are a single operator where nothing
comes in between (pipeline/operators/resample.py). Every image is resampled once (twice where it shrinks a
lot, see `working_size`), and an augmentation of zero strength has no operator at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from nvidia.dali import fn, types

from faces.cache import Codec
from pipeline.augment import COLOUR, LEAST_CENTRE, Policy
from pipeline.draws import MID_GREY, BinArray, Draws, FloatArray
from pipeline.matrices import (
    background_planes,
    blur_windows,
    colour_matrices,
    erase_boxes,
    normalisation,
    warp_matrices,
    working_size,
)
from pipeline.operators import gpu
from pipeline.operators.auto import apply_auto, apply_blur

Device = Literal["cpu", "gpu"]
Dtype = Literal["fp32", "fp16"]
Layout = Literal["nchw", "channels_last"]
Parameters = dict[str, FloatArray | BinArray]
Node = Any
"""A DALI DataNode; DALI's own annotations do not describe it fully."""
AUTO = ("auto_operation", "auto_bin", "auto_negated")
LEAST_SIZE = 16
BORDER = (128, 128, 128, 0)
"""RGBA beyond the edge of a cut-out crop: nothing there, and no dark rim where that is interpolated."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The description of a graph; `decode` and `finish` make its operators in the current DALI pipeline."""

    codec: Codec
    """How the crops arrive: encoded bytes, or uint8 HWC."""
    source_size: int
    """Side of the square stored crops, pixels."""
    image_size: int
    """Side of the square output, pixels; at least 16."""
    mean: tuple[float, float, float]
    """Of R, G and B in 0 to 1 units, as timm gives it."""
    std: tuple[float, float, float]
    """Of R, G and B in 0 to 1 units, as timm gives it."""
    policy: Policy
    """What augmentation is on."""
    device: Device
    """Where decoding and pixels happen."""
    channels: int = 3
    """Of the crops: 3 (RGB), or 4 (RGBA), a person cut out, to be pasted onto a background."""
    centre: float = 1.0
    """Share of the stored crop's side that the centre crop keeps, in [0.25, 1]: 0.875 at 224 is torchvision's
    Resize(256) and CenterCrop(224). Random crops are taken from that part."""
    dtype: Dtype = "fp32"
    """Type of the output's numbers."""
    layout: Layout = "nchw"
    """Order of the output's numbers in memory."""

    def __post_init__(self) -> None:
        if self.image_size < LEAST_SIZE:
            raise ValueError(f"image_size must be at least {LEAST_SIZE} pixels, got {self.image_size}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"need three means and three positive stds, got {self.mean} and {self.std}")
        if max(*self.mean, *self.std) > 1:
            raise ValueError(f"mean and std are in 0 to 1 units, got {self.mean} and {self.std}")
        if not LEAST_CENTRE <= self.centre <= 1:
            raise ValueError(f"centre must be in {LEAST_CENTRE} to 1 (all of the crop), got {self.centre}")
        if (self.codec, self.channels) not in {("jpeg", 3), ("png", 3), ("png", 4), ("raw", 3), ("raw", 4)}:
            raise ValueError(
                f"channels={self.channels} and codec={self.codec!r}: crops have 3, as png or raw also 4"
            )
        for name, known in (("device", Device), ("dtype", Dtype), ("layout", Layout)):
            value, choices = getattr(self, name), get_args(known)
            if value not in choices:
                raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")

    @cached_property
    def warped_size(self) -> int:
        """Side of the square image that is warped, pixels."""
        return working_size(self.policy, self.source_size, self.image_size, self.centre)

    @property
    def in_one_pass(self) -> bool:
        """Whether the CPU does warp, erasing, colour and normalisation in one operator: where nothing of
        another kind comes in between."""
        plain = self.policy.auto == "none" and self.policy.blur == 0 and self.channels == 3
        return self.device == "cpu" and plain and self.policy.moves_pixels

    @property
    def conditional(self) -> bool:
        """Whether some operators are for some samples only: the pipeline must then enable conditionals."""
        return self.policy.auto != "none" or self.policy.blur > 0

    def parameters(self, draws: Draws) -> Parameters:
        """What `finish` needs beside the image, by input name: arrays with the sample first."""
        found: Parameters = {}
        if self.policy.moves_pixels:
            found["warp"] = warp_matrices(draws, self.warped_size, self.image_size, self.centre)
        if self.channels == 4 and self.policy.background > 0:
            found["background"] = background_planes(draws.background)
        if self.policy.auto != "none":
            found |= {name: getattr(draws, name) for name in AUTO}
        if self.policy.blur > 0:
            found["blur_sigma"], found["blur_width"] = blur_windows(draws)
        if self.policy.erase > 0:
            found["erase_corner"], found["erase_extent"] = erase_boxes(draws, self.image_size)
        if self.policy.changes_colour and self.device == "cpu":
            found["colour"] = colour_matrices(draws, self.mean, self.std)
        elif self.policy.changes_colour:
            found |= {name: getattr(draws, name) for name in COLOUR}
        return found

    def decode(self, image: Node) -> Node:
        """Make the operators from what is stored to pixels, which several graphs may `finish`.

        Args:
            image: uint8 [bytes] of a JPEG or PNG file, or uint8 HWC, on the CPU.

        Returns:
            uint8 HWC, on `device`.
        """
        if self.codec == "raw":
            return image.gpu() if self.device == "gpu" else image
        # Asking for RGB would drop the alpha of a PNG.
        kind = types.RGB if self.channels == 3 else types.ANY_DATA
        if self.device == "cpu":
            return fn.decoders.image(image, device="cpu", output_type=kind)
        # Without fancy upsampling the GPU's chroma differs from every CPU decoder's.
        return fn.decoders.image(image, device="mixed", output_type=kind, jpeg_fancy_upsampling=True)

    def finish(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Make the operators from pixels to images.

        Args:
            pixels: what `decode` returns.
            parameters: one node on the CPU for each name of `parameters`.

        Returns:
            `dtype` [3, image_size, image_size], or [image_size, image_size, 3] if `layout` is channels_last,
            normalised, on `device`.
        """
        pixels = self._sized(pixels)
        if self.in_one_pass:
            return self._one_pass(pixels, parameters)
        if self.policy.moves_pixels:
            pixels = self._warped(pixels, parameters)
        if self.channels == 4:
            pixels = self._paste(pixels, parameters)
        if self.policy.auto != "none":
            levels = self.policy.auto_operations if self.policy.auto == "randaugment" else 1
            pixels = apply_auto(
                pixels, parameters, auto=self.policy.auto, image_size=self.image_size, levels=levels
            )
        if self.policy.blur > 0:
            pixels = apply_blur(pixels, parameters["blur_sigma"], parameters["blur_width"])
        if self.policy.erase > 0:
            pixels = fn.erase(
                pixels,
                anchor=parameters["erase_corner"],
                shape=parameters["erase_extent"],
                axis_names="HW",
                fill_value=self._blank,
            )
        form = {"half": self.dtype == "fp16", "interleaved": self.layout == "channels_last"}
        if self.device == "gpu":
            return gpu.twist_and_normalise(pixels, parameters, self.mean, self.std, **form)
        # The colour operator brings a compiler, which evaluation on a GPU should not have to load.
        from pipeline.operators.colour import apply_colour

        plain = types.Constant(normalisation(self.mean, self.std))
        return apply_colour(pixels, parameters.get("colour", plain), **form)

    def _sized(self, pixels: Node) -> Node:
        """Resize to what is warped, or, where nothing is, to the output."""
        # A warp finds the centre itself, and shows what is really beyond it where the crop is turned.
        moves = self.policy.moves_pixels
        side = self.warped_size if moves else round(self.image_size / self.centre)
        count = side if moves else self.image_size
        first = round((side - count) / 2)
        if side == self.source_size:
            whole = count == side
            return pixels if whole else fn.slice(pixels, [first] * 2, [count] * 2, axis_names="HW")
        if self.device == "cpu":
            # As for colour: this brings a compiler.
            from pipeline.operators.shrink import resize

            return resize(pixels, self.source_size, side, first, count)
        return fn.resize(
            pixels,
            size=[count, count],
            roi_start=[first / side] * 2,
            roi_end=[(first + count) / side] * 2,
            roi_relative=True,
            interp_type=types.INTERP_LINEAR,
            antialias=True,
        )

    def _one_pass(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Everything after `_sized`, on the CPU."""
        # As for colour: this brings a compiler.
        from pipeline.operators.resample import resample

        nothing = types.Constant(np.zeros(2, np.float32))
        return resample(
            pixels,
            parameters["warp"],
            parameters.get("colour", types.Constant(normalisation(self.mean, self.std))),
            parameters.get("erase_corner", nothing),
            parameters.get("erase_extent", nothing),
            types.Constant(np.tile(np.array(self._blank, np.uint8), (self.image_size, 1))),
            half=self.dtype == "fp16",
            interleaved=self.layout == "channels_last",
        )

    @property
    def _blank(self) -> list[int]:
        """RGB of erased pixels."""
        return [round(255 * level) for level in self.mean]

    def _warped(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        return fn.experimental.warp_perspective(
            pixels,
            matrix=parameters["warp"],
            size=[self.image_size, self.image_size],
            border_mode="reflect_101" if self.channels == 3 else "constant",
            fill_value=list(BORDER[: self.channels]),
            interp_type=types.INTERP_LINEAR,
            inverse_map=True,
            pixel_origin="center",
        )

    def _paste(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Cut-out people onto their backgrounds, mid grey if the policy draws none."""
        grey = types.Constant(background_planes(np.full((1, 4, 3), MID_GREY, np.float32))[0])
        planes = parameters.get("background", grey)
        if self.device == "gpu":
            return gpu.paste(pixels, planes, self.image_size)
        # As for colour: this brings a compiler.
        from pipeline.operators.paste import paste

        return paste(pixels, planes)
