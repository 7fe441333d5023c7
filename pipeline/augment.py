"""What augmentation does to each sample: policies, their random draws, and the matrices made of these.

Every random number is drawn here, for a whole epoch at once, as a pure function of (seed, epoch, place in
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
from faces.settings import nearest
from pipeline.order import generator

FloatArray = NDArray[np.float32]
DRAW_STREAM: Final = 1
RANGE: Final = (1.0, 1.0)

RGB_TO_YIQ: Final = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.321], [0.211, -0.523, 0.311]])
"""NTSC luma and chroma, rounded as DALI's color_twist rounds them."""
MID_GREY: Final = 128.0
"""The grey level that a change of contrast leaves where it is."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How strongly each augmentation acts; the defaults change nothing."""

    crop_area: tuple[float, float] = RANGE
    """Least and greatest area of the random crop, as a fraction of the stored crop's; in (0, 1]."""
    crop_aspect: tuple[float, float] = RANGE
    """Least and greatest width / height of the random crop; must span 1."""
    rotation: float = 0.0
    """Greatest turn to either side, degrees; in [0, 180]."""
    flip: float = 0.0
    """Probability of swapping left and right."""
    brightness: float = 0.0
    """Strength b in [0, 1]: grey levels are multiplied by 1 - b to 1 + b."""
    contrast: float = 0.0
    """Strength in [0, 1]: distances from mid grey are multiplied by 1 - c to 1 + c."""
    saturation: float = 0.0
    """Strength in [0, 1]: chroma is multiplied by 1 - s to 1 + s."""
    hue: float = 0.0
    """Greatest turn of the hue to either side, degrees; in [0, 180]."""
    erase: float = 0.0
    """Probability of blanking one rectangle with the mean colour."""
    erase_area: tuple[float, float] = (0.02, 0.2)
    """Least and greatest area of that rectangle, as a fraction of the image's; in (0, 1]."""
    erase_aspect: tuple[float, float] = (0.5, 2.0)
    """Least and greatest width / height of that rectangle; must span 1."""

    def __post_init__(self) -> None:
        for name in ("crop_area", "erase_area"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} must be two fractions 0 < low <= high <= 1, got {low}, {high}")
        for name in ("crop_aspect", "erase_aspect"):
            low, high = getattr(self, name)
            if not 0 < low <= 1 <= high:
                raise ValueError(f"{name} must span 1 (0 < low <= 1 <= high), got {low}, {high}")
        limits = {"rotation": 180.0, "hue": 180.0}
        for name in ("rotation", "flip", "brightness", "contrast", "saturation", "hue", "erase"):
            value, limit = getattr(self, name), limits.get(name, 1.0)
            if not 0 <= value <= limit:
                raise ValueError(f"{name} must be in 0 to {limit:g}, got {value}")

    @property
    def scales(self) -> bool:
        """Whether the random crop is on."""
        return self.crop_area != RANGE or self.crop_aspect != RANGE

    @property
    def moves_pixels(self) -> bool:
        """Whether crop, rotation or flip is on, so that the image is warped rather than resized."""
        return self.scales or self.rotation > 0 or self.flip > 0

    @property
    def changes_colour(self) -> bool:
        """Whether brightness, contrast, saturation or hue is on."""
        return max(self.brightness, self.contrast, self.saturation, self.hue) > 0


POLICIES: Final[dict[str, Policy]] = {
    "none": Policy(),
    "light": Policy(crop_area=(0.7, 1.0), crop_aspect=(0.9, 1.1), rotation=5.0, flip=0.5),
    "full": Policy(
        crop_area=(0.5, 1.0),
        crop_aspect=(0.8, 1.25),
        rotation=10.0,
        flip=0.5,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        hue=10.0,
        erase=0.25,
    ),
}


def policy_named(name: str) -> Policy:
    """The policy of this name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name in POLICIES:
        return POLICIES[name]
    raise ValueError(f"no augmentation policy {name!r}: {nearest(name, list(POLICIES))}")


@dataclass(frozen=True, kw_only=True)
class Draws:
    """What was drawn for each of n places of an epoch. All arrays are float32 [n]."""

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
    """Factor on the chroma."""
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


def draw(policy: Policy, n: int, *, epoch: int, seed: int) -> Draws:
    """Draw an epoch's augmentations.

    Each quantity has its own column of uniform numbers, so turning one augmentation on leaves the others as
    they were, and place i gets the same numbers whatever n is.

    Args:
        policy: strengths and ranges.
        n: places in the whole epoch, all ranks together.
        epoch: 0 or more.
        seed: 0 or more.

    Returns:
        The draws of places 0 to n - 1.
    """
    u = generator(seed, epoch, DRAW_STREAM).random((n, 15), dtype=np.float32).T
    width, height = _rectangle(_between(*policy.crop_area, u[0]), policy.crop_aspect, u[1])
    erase_width, erase_height = _rectangle(_between(*policy.erase_area, u[11]), policy.erase_aspect, u[12])
    erased = u[10] < policy.erase
    return Draws(
        crop_width=width,
        crop_height=height,
        crop_x=np.asarray(0.5 + (1 - width) * (u[2] - 0.5), np.float32),
        crop_y=np.asarray(0.5 + (1 - height) * (u[3] - 0.5), np.float32),
        angle=_between(-policy.rotation, policy.rotation, u[4]),
        flip=np.where(u[5] < policy.flip, -1, 1).astype(np.float32),
        brightness=_between(1 - policy.brightness, 1 + policy.brightness, u[6]),
        contrast=_between(1 - policy.contrast, 1 + policy.contrast, u[7]),
        saturation=_between(1 - policy.saturation, 1 + policy.saturation, u[8]),
        hue=_between(-policy.hue, policy.hue, u[9]),
        erase_width=np.where(erased, erase_width, 0).astype(np.float32),
        erase_height=np.where(erased, erase_height, 0).astype(np.float32),
        erase_x=u[13],
        erase_y=u[14],
    )
