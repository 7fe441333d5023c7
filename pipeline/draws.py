"""The random numbers of an epoch's augmentations.

Every random number is drawn here, for any stretch of an epoch, as a pure function of (seed, epoch, place in
the epoch). The graph that applies them holds no random state, so pixels do not depend on the batch size,
the number of threads or ranks, or on whether the epoch was resumed in the middle, and a test can hand
the same numbers to a reference.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from faces.labels import IntArray
from pipeline.augment import AUTO_BINS, Policy
from pipeline.order import generator

FloatArray = NDArray[np.float32]
BinArray = NDArray[np.int32]
DRAW_STREAM: Final = 1
LOOK_STREAM: Final = 2
BACKGROUND_STREAM: Final = 3
AUTO_STREAM: Final = 4
"""A stream each, so that more numbers for one of them leave the others as they were (0 orders the epoch)."""

AUTO_OPERATIONS: Final = (
    "translate_x",
    "translate_y",
    "shear_x",
    "shear_y",
    "rotate",
    "brightness",
    "contrast",
    "color",
    "sharpness",
    "posterize",
    "solarize",
    "equalize",
    "auto_contrast",
    "identity",
)
"""What RandAugment and TrivialAugment choose from, in the order of DALI's lists."""
MID_GREY: Final = 128.0
"""Behind a cut-out person where no other background is drawn; a change of contrast leaves it where it is."""


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What was drawn for each of n places of an epoch. Arrays are float32 [n] where nothing else is said."""

    crop_width: FloatArray
    """Fraction of the stored crop's width, in (0, 1]."""
    crop_height: FloatArray
    """Fraction of the stored crop's height, in (0, 1]."""
    crop_x: FloatArray
    """Centre of the crop, fraction of the width; the unturned crop lies inside the stored one."""
    crop_y: FloatArray
    """Centre of the crop, fraction of the height."""
    angle: FloatArray
    """Degrees by which the picture turns counter-clockwise, about the centre of the crop."""
    flip: FloatArray
    """-1 where left and right are swapped, else 1."""
    brightness: FloatArray
    """Factor on grey levels."""
    contrast: FloatArray
    """Factor on the distance from mid grey."""
    saturation: FloatArray
    """Factor on the chroma, 0 where the image turns grey."""
    hue: FloatArray
    """Degrees."""
    erase_width: FloatArray
    """Fraction of the image's width, 0 where nothing is erased."""
    erase_height: FloatArray
    """Fraction of the image's height, 0 where nothing is erased."""
    erase_x: FloatArray
    """Left edge of the rectangle, fraction of the width that it leaves free."""
    erase_y: FloatArray
    """Top edge of the rectangle, fraction of the height that it leaves free."""
    blur_sigma: FloatArray
    """Standard deviation of the blur, output pixels; 0 where there is none."""
    background: FloatArray
    """[n, 4, 3] colours, R, G and B in 0 to 255, of the four corners of what is behind a cut-out person: top
    left, top right, bottom left, bottom right. All alike for a flat background."""
    auto_operation: BinArray
    """[n, k] int32: which of `AUTO_OPERATIONS` come one after the other; k is 0 where there are none."""
    auto_bin: BinArray
    """[n, k] int32: their strengths, 0 to 30."""
    auto_negated: BinArray
    """[n, k] int32: 1 where such an operation goes the other way, else 0."""

    def __len__(self) -> int:
        """Number of places."""
        return len(self.angle)

    def at(self, positions: IntArray) -> Draws:
        """The draws of these places only."""
        return Draws(**{field.name: getattr(self, field.name)[positions] for field in fields(self)})


def _between(low: float, high: float, u: FloatArray) -> FloatArray:
    return np.asarray(low + (high - low) * u, np.float32)


def _rectangle(area: FloatArray, aspect: tuple[float, float], u: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Width and height, fractions of a square, of rectangles of exactly this area.

    The aspect is log-uniform in the part of its range where both sides fit: width = sqrt(area * aspect) <= 1
    and height = sqrt(area / aspect) <= 1. At area 0.9 and aspects 0.5 to 2 that part is 0.9 to 1.11.
    """
    low, high = np.maximum(aspect[0], area), np.minimum(aspect[1], 1 / area)
    ratio = np.exp(np.log(low) + (np.log(high) - np.log(low)) * u)
    return np.minimum(np.sqrt(area * ratio), 1), np.minimum(np.sqrt(area / ratio), 1)


def _uniform(n: int, columns: int, start: int, *key: int) -> FloatArray:
    """[n, columns]: the rows from row `start` on, an even number, of what a generator of this key makes.

    It makes two float32 of each 64 bits, and skips only whole ones.
    """
    random = generator(*key)
    random.bit_generator.advance(start * columns // 2)  # type: ignore[attr-defined]
    return random.random((n, columns), dtype=np.float32)


def draw(policy: Policy, n: int, *, epoch: int, seed: int, start: int = 0) -> Draws:
    """Draw the augmentations of some places of an epoch, those of all ranks.

    Each quantity has its own column of uniform numbers, so turning one augmentation on leaves the others as
    they were, and place i gets the same numbers whatever n is.

    Args:
        policy: strengths and ranges.
        n: number of places.
        epoch: 0 or more.
        seed: 0 or more.
        start: the first place, an even number.

    Returns:
        The draws of places start to start + n - 1.
    """
    u = _uniform(n, 15, start, seed, epoch, DRAW_STREAM).T
    width, height = _rectangle(_between(*policy.crop_area, u[0]), policy.crop_aspect, u[1])
    erase_width, erase_height = _rectangle(_between(*policy.erase_area, u[11]), policy.erase_aspect, u[12])
    erased = u[10] < policy.erase
    grey, blurred, sigma = _uniform(n, 3, start, seed, epoch, LOOK_STREAM).T
    saturation = _between(1 - policy.saturation, 1 + policy.saturation, u[8])
    return Draws(
        crop_width=width,
        crop_height=height,
        crop_x=np.asarray(0.5 + (1 - width) * (u[2] - 0.5), np.float32),
        crop_y=np.asarray(0.5 + (1 - height) * (u[3] - 0.5), np.float32),
        angle=_between(-policy.rotation, policy.rotation, u[4]),
        flip=np.where(u[5] < policy.flip, -1, 1).astype(np.float32),
        brightness=_between(1 - policy.brightness, 1 + policy.brightness, u[6]),
        contrast=_between(1 - policy.contrast, 1 + policy.contrast, u[7]),
        saturation=np.where(grey < policy.grey, 0, saturation).astype(np.float32),
        hue=_between(-policy.hue, policy.hue, u[9]),
        erase_width=np.where(erased, erase_width, 0).astype(np.float32),
        erase_height=np.where(erased, erase_height, 0).astype(np.float32),
        erase_x=u[13],
        erase_y=u[14],
        blur_sigma=np.where(blurred < policy.blur, _between(*policy.blur_sigma, sigma), 0).astype(np.float32),
        background=_backgrounds(policy, n, epoch=epoch, seed=seed, start=start),
        **_operations(policy, n, epoch=epoch, seed=seed, start=start),
    )


def _backgrounds(policy: Policy, n: int, *, epoch: int, seed: int, start: int) -> FloatArray:
    """`Draws.background`: half of the random ones flat, half blending from corner to corner."""
    u = _uniform(n, 14, start, seed, epoch, BACKGROUND_STREAM)
    corners = 255 * u[:, 2:].reshape(n, 4, 3)
    flat = u[:, 1] < 0.5
    corners[flat] = corners[flat, :1]
    corners[u[:, 0] >= policy.background] = MID_GREY
    return corners


def _operations(policy: Policy, n: int, *, epoch: int, seed: int, start: int) -> dict[str, BinArray]:
    """`Draws.auto_operation`, `auto_bin` and `auto_negated`."""
    levels = {"none": 0, "randaugment": policy.auto_operations, "trivialaugment": 1}[policy.auto]
    u = _uniform(n, 3 * levels, start, seed, epoch, AUTO_STREAM).reshape(n, levels, 3)
    if policy.auto == "randaugment":
        bins = np.full((n, levels), policy.auto_magnitude, np.int32)
    else:
        bins = (u[..., 1] * AUTO_BINS).astype(np.int32)
    return {
        "auto_operation": (u[..., 0] * len(AUTO_OPERATIONS)).astype(np.int32),
        "auto_bin": bins,
        "auto_negated": (u[..., 2] < 0.5).astype(np.int32),
    }
