"""The DALI graph from stored crops and drawn numbers to normalised images, knowing neither reader nor cache.

Every image is resampled once (twice where it shrinks a lot, see `working_size`), colour and normalisation are
one pass, and an augmentation of zero strength has no operator at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from nvidia.dali import fn, types

from faces.cache import Codec
from pipeline.augment import Draws, FloatArray, Policy
from pipeline.matrices import colour_matrices, erase_boxes, normalisation, warp_matrices, working_size

Device = Literal["cpu", "gpu"]
Node = Any
"""A DALI DataNode; DALI's own annotations do not describe it fully."""
LEAST_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The description of a graph; `define` makes its operators inside the current DALI pipeline."""

    codec: Codec
    """How the crops arrive: encoded bytes, or uint8 HWC RGB."""
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

    def __post_init__(self) -> None:
        if self.image_size < LEAST_SIZE:
            raise ValueError(f"image_size must be at least {LEAST_SIZE} pixels, got {self.image_size}")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError(f"need three means and three positive stds, got {self.mean} and {self.std}")
        if max(*self.mean, *self.std) > 1:
            raise ValueError(f"mean and std are in 0 to 1 units, got {self.mean} and {self.std}")
        if self.device not in ("cpu", "gpu"):
            raise ValueError(f"device must be 'cpu' or 'gpu', got {self.device!r}")

    @cached_property
    def warped_size(self) -> int:
        """Side of the square image that is warped, pixels."""
        return working_size(self.policy, self.source_size, self.image_size)

    def parameters(self, draws: Draws) -> dict[str, FloatArray]:
        """What `define` needs beside the image, by input name: float32 arrays with the sample first."""
        found: dict[str, FloatArray] = {}
        if self.policy.moves_pixels:
            found["warp"] = warp_matrices(draws, self.warped_size, self.image_size)
        if self.policy.erase > 0:
            found["erase_corner"], found["erase_extent"] = erase_boxes(draws, self.image_size)
        if self.policy.changes_colour and self.device == "cpu":
            found["colour"] = colour_matrices(draws, self.mean, self.std)
        elif self.policy.changes_colour:
            found |= {name: getattr(draws, name) for name in ("brightness", "contrast", "saturation", "hue")}
        return found

    def define(self, image: Node, parameters: Mapping[str, Node]) -> Node:
        """Make the operators.

        Args:
            image: uint8 [bytes] of a JPEG or PNG file, or uint8 HWC, on the CPU.
            parameters: one node on the CPU for each name of `parameters`.

        Returns:
            float32 [3, image_size, image_size], normalised, on `device`.
        """
        pixels = self._geometry(self._decode(image), parameters)
        if self.policy.erase > 0:
            pixels = fn.erase(
                pixels,
                anchor=parameters["erase_corner"],
                shape=parameters["erase_extent"],
                axis_names="HW",
                fill_value=[round(255 * level) for level in self.mean],
            )
        if self.device == "gpu":
            return self.twist_and_normalise(pixels, parameters)
        # The colour operator brings a compiler, which evaluation on a GPU should not have to load.
        from pipeline.colour import apply_colour

        plain = types.Constant(normalisation(self.mean, self.std))
        return apply_colour(pixels, parameters.get("colour", plain))

    def _decode(self, image: Node) -> Node:
        if self.codec == "raw":
            return image.gpu() if self.device == "gpu" else image
        if self.device == "cpu":
            return fn.decoders.image(image, device="cpu", output_type=types.RGB)
        # Without fancy upsampling the GPU's chroma differs from every CPU decoder's.
        return fn.decoders.image(image, device="mixed", output_type=types.RGB, jpeg_fancy_upsampling=True)

    def _geometry(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Resample to image_size x image_size."""
        moves = self.policy.moves_pixels
        side = self.warped_size if moves else self.image_size
        if side != self.source_size:
            pixels = fn.resize(pixels, size=[side, side], interp_type=types.INTERP_LINEAR, antialias=True)
        if not moves:
            return pixels
        return fn.experimental.warp_perspective(
            pixels,
            matrix=parameters["warp"],
            size=[self.image_size, self.image_size],
            border_mode="reflect_101",
            interp_type=types.INTERP_LINEAR,
            inverse_map=True,
            pixel_origin="center",
        )

    def twist_and_normalise(self, pixels: Node, parameters: Mapping[str, Node]) -> Node:
        """Colour and normalisation by DALI's own operators, which exist for the GPU.

        Args:
            pixels: uint8 HWC.
            parameters: brightness, contrast, saturation and hue, if the policy changes colour.

        Returns:
            float32 CHW, equal to what `colour` does on the CPU.
        """
        if self.policy.changes_colour:
            names = ("brightness", "contrast", "saturation", "hue")
            pixels = fn.color_twist(pixels, dtype=types.FLOAT, **{name: parameters[name] for name in names})
        return fn.crop_mirror_normalize(
            pixels,
            dtype=types.FLOAT,
            output_layout="CHW",
            mean=[255 * level for level in self.mean],
            std=[255 * level for level in self.std],
        )
