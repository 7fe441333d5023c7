"""The DALI graph from stored crops and drawn numbers to normalised images, knowing neither reader nor cache.

Decode, resize, the policy's augmentations in the order of their places, then colour and normalisation in one
pass. On the CPU warp, erasing and colour are a single operator where nothing comes in between
(pipeline/operators/resample.py). Every image is resampled once (twice where it shrinks a lot, see
`geometry.working_size`), and an augmentation of zero strength has no operator at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Any, Literal, get_args

from nvidia.dali import fn, types

from faces.cache.schema import Codec
from pipeline.augment import LEAST_CENTRE, REGISTERED, Policy
from pipeline.augmentations.geometry import working_size
from pipeline.definition import (
    ColourAugmentation,
    Device,
    Draws,
    Frame,
    Node,
    Parameters,
    PixelAugmentation,
)
from pipeline.operators.matrices import composed, normalisation, normalised
from pipeline.resampling import one_pass, resized

Dtype = Literal["fp32", "fp16"]
Layout = Literal["nchw", "channels_last"]
LEAST_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class Graph(Frame):
    """The description of a graph; `decode` and `finish` make its operators in the current DALI pipeline."""

    codec: Codec
    """How the crops arrive: encoded bytes, or uint8 HWC."""
    policy: Policy
    """What augmentation is on."""
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
    def steps(self) -> tuple[PixelAugmentation[Any], ...]:
        """The augmentations that have operators of their own, in their order."""
        pixels = (augmentation for augmentation in REGISTERED if isinstance(augmentation, PixelAugmentation))
        return tuple(augmentation for augmentation in pixels if augmentation.acts(self.policy, self))

    @cached_property
    def colours(self) -> tuple[ColourAugmentation[Any], ...]:
        """The augmentations that are part of the last pass, in their order."""
        maps = (augmentation for augmentation in REGISTERED if isinstance(augmentation, ColourAugmentation))
        return tuple(augmentation for augmentation in maps if augmentation.acts(self.policy, self))

    @cached_property
    def warped_size(self) -> int:
        """Side of the square image that is warped, pixels."""
        return working_size(self.policy, self.source_size, self.image_size, self.centre)

    @property
    def in_one_pass(self) -> bool:
        """Whether the CPU does warp, erasing, colour and normalisation in one operator: where nothing of
        another kind comes in between."""
        plain = all(step.in_one_pass for step in self.steps)
        return self.device == "cpu" and plain and self.policy.moves_pixels

    @property
    def conditional(self) -> bool:
        """Whether some operators are for some samples only: the pipeline must then enable conditionals."""
        return any(step.conditional for step in self.steps)

    @property
    def halves_suffice(self) -> bool:
        """Whether augmented images are at most half as large as the centre of the crops that they show.

        Evaluation has crops decoded whole: where nothing is warped, less is gained.
        """
        warped = self.codec == "jpeg" and self.device == "cpu" and self.policy.moves_pixels
        return warped and self.source_size % 2 == 0 and 2 * self.image_size <= self.source_size * self.centre

    def of_halves(self) -> Graph:
        """The same graph of crops that come decoded at half their size (`pipeline/operators/halves.py`)."""
        return replace(self, codec="raw", source_size=self.source_size // 2)

    def parameters(self, draws: Draws) -> Parameters:
        """What `finish` needs beside the image, by input name: arrays with the sample first."""
        found: Parameters = {}
        for step in self.steps:
            found |= step.parameters(self.policy, draws, self)
        if self.colours and self.device == "cpu":
            matrices = reduce(composed, (colour.matrices(draws) for colour in self.colours))
            found["colour"] = normalised(matrices, self.mean, self.std)
        elif self.colours:
            for colour in self.colours:
                found |= colour.gpu_parameters(draws)
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
        return fn.decoders.image(
            image,
            device="mixed",
            output_type=kind,
            # Without fancy upsampling the GPU's chroma differs from every CPU decoder's.
            jpeg_fancy_upsampling=True,
            # A batch split between the GPU's two decoders would give a crop pixels by its place in it.
            hw_decoder_load=0.0,
        )

    def finish(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Make the operators from pixels to images.

        Args:
            pixels: what `decode` returns.
            parameters: one node on the CPU for each name of `parameters`.

        Returns:
            `dtype` [3, image_size, image_size], or [image_size, image_size, 3] if `layout` is channels_last,
            normalised, on `device`.
        """
        # A warp finds the centre itself, and shows what is really beyond it where the crop is turned.
        moves = self.policy.moves_pixels
        side = self.warped_size if moves else round(self.image_size / self.centre)
        pixels = resized(pixels, self, side, side if moves else self.image_size)
        half, interleaved = self.dtype == "fp16", self.layout == "channels_last"
        if self.in_one_pass:
            return one_pass(pixels, parameters, self, half=half, interleaved=interleaved)
        for step in self.steps:
            if self.device == "gpu":
                pixels = step.on_gpu(pixels, parameters, self.policy, self)
            else:
                pixels = step.on_cpu(pixels, parameters, self.policy, self)
        if self.device == "gpu":
            return self._coloured_by_dali(pixels, parameters)
        # The colour operator brings a compiler, which evaluation on a GPU should not have to load.
        from pipeline.operators.colour import apply_colour

        matrix = parameters.get("colour", types.Constant(normalisation(self.mean, self.std)))
        return apply_colour(pixels, matrix, half=half, interleaved=interleaved)

    def _coloured_by_dali(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Colour and normalisation on the GPU."""
        for colour in self.colours:
            pixels = colour.on_gpu(pixels, parameters)
        return fn.crop_mirror_normalize(
            pixels,
            dtype=types.FLOAT16 if self.dtype == "fp16" else types.FLOAT,
            output_layout="HWC" if self.layout == "channels_last" else "CHW",
            mean=[255 * level for level in self.mean],
            std=[255 * level for level in self.std],
        )
