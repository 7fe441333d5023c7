"""Augmentation policies: what may happen to a training photo, and how strongly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, get_args, get_type_hints

from faces.command import nearest

Auto = Literal["none", "randaugment", "trivialaugment"]
RANGE: Final = (1.0, 1.0)
LEAST_CENTRE: Final = 0.25
"""Least share of a crop's side that a centre crop may keep."""
AUTO_BINS: Final = 31
"""Steps into which RandAugment and TrivialAugment divide an operation's strength, as their papers do."""

COLOUR: Final = ("brightness", "contrast", "saturation", "hue")


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
    background: float = 0.0
    """Probability that a cut-out person is pasted onto random colours rather than mid grey."""
    auto: Auto = "none"
    """DALI's RandAugment, or its TrivialAugment: one operation of random strength."""
    auto_operations: int = 2
    """Operations of RandAugment one after the other; in 1 to 4."""
    auto_magnitude: int = 9
    """Strength of RandAugment's operations; in 0 to 30."""
    blur: float = 0.0
    """Probability of a Gaussian blur."""
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    """Least and greatest standard deviation of that blur, output pixels; in [0.1, 10]."""
    brightness: float = 0.0
    """Strength b in [0, 1]: grey levels are multiplied by 1 - b to 1 + b."""
    contrast: float = 0.0
    """Strength in [0, 1]: distances from mid grey are multiplied by 1 - c to 1 + c."""
    saturation: float = 0.0
    """Strength in [0, 1]: chroma is multiplied by 1 - s to 1 + s."""
    hue: float = 0.0
    """Greatest turn of the hue to either side, degrees; in [0, 180]."""
    grey: float = 0.0
    """Probability of taking all colour away."""
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
        low, high = self.blur_sigma
        if not 0.1 <= low <= high <= 10:
            raise ValueError(f"blur_sigma must be 0.1 <= low <= high <= 10 pixels, got {low}, {high}")
        for name in ("flip", "background", "blur", "grey", "erase", *COLOUR, "rotation"):
            value, limit = getattr(self, name), 180.0 if name in ("rotation", "hue") else 1.0
            if not 0 <= value <= limit:
                raise ValueError(f"{name} must be in 0 (off) to {limit:g}, got {value}")
        if self.auto not in get_args(Auto):
            raise ValueError(f"auto={self.auto!r} is unknown: {nearest(self.auto, list(get_args(Auto)))}")
        if not 1 <= self.auto_operations <= 4:
            raise ValueError(f"auto_operations must be in 1 to 4, got {self.auto_operations}")
        if not 0 <= self.auto_magnitude < AUTO_BINS:
            raise ValueError(f"auto_magnitude must be in 0 to {AUTO_BINS - 1}, got {self.auto_magnitude}")

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
        """Whether brightness, contrast, saturation, hue or grey is on."""
        return any(getattr(self, name) > 0 for name in (*COLOUR, "grey"))


POLICIES: Final[dict[str, Policy]] = {
    "none": Policy(),
    "light": Policy(crop_area=(0.7, 1.0), crop_aspect=(0.9, 1.1), rotation=5.0, flip=0.5, background=1.0),
    "strong": Policy(
        crop_area=(0.5, 1.0),
        crop_aspect=(0.8, 1.25),
        rotation=10.0,
        flip=0.5,
        background=1.0,
        brightness=0.2,
        contrast=0.2,
        saturation=0.2,
        hue=10.0,
        erase=0.25,
    ),
    "erasing": Policy(
        crop_area=(0.7, 1.0), crop_aspect=(0.9, 1.1), rotation=5.0, flip=0.5, background=1.0, erase=0.5
    ),
    # torchvision's ColorJitter(0.5, 0.5, 0.5, 0.5), whose hue counts in turns.
    "team_a": Policy(flip=0.5, background=1.0, brightness=0.5, contrast=0.5, saturation=0.5, hue=180.0),
    "randaugment": Policy(flip=0.5, background=1.0, auto="randaugment"),
    "trivialaugment": Policy(flip=0.5, background=1.0, auto="trivialaugment"),
}


def policy_named(name: str) -> Policy:
    """The policy of this name.

    Raises:
        ValueError: there is none; the message names the nearest.
    """
    if name in POLICIES:
        return POLICIES[name]
    raise ValueError(f"no augmentation policy {name!r}: {nearest(name, list(POLICIES))}")


def policy_from(base: str, overrides: Mapping[str, Any]) -> Policy:
    """A named policy with some of its fields changed, as a recipe's `[augment]` table gives them.

    Args:
        base: name of one of `POLICIES`.
        overrides: new values by field name; ranges as lists or tuples of two numbers.

    Raises:
        ValueError: an unknown base or field, naming the nearest; a value of a wrong type or out of range.
    """
    policy = policy_named(base)
    types = get_type_hints(Policy)
    for name in overrides:
        if name not in types:
            raise ValueError(f"no augmentation setting {name!r}: {nearest(name, list(types))}")
    return replace(policy, **{name: _typed(name, value, types[name]) for name, value in overrides.items()})


def _typed(name: str, value: Any, wanted: Any) -> Any:
    """The value as its field holds it.

    Raises:
        ValueError: it is of another type.
    """
    if wanted is float and _is_number(value):
        return float(value)
    if wanted is int and _is_number(value) and isinstance(value, int):
        return value
    if wanted == tuple[float, float]:
        if isinstance(value, list | tuple) and len(value) == 2 and all(map(_is_number, value)):
            return tuple(map(float, value))
        raise ValueError(f"{name} must be two numbers such as [0.5, 1.0], got {value!r}")
    if get_args(wanted) and isinstance(value, str):
        return value
    kinds = {float: "a number", int: "a whole number"}
    raise ValueError(f"{name} must be {kinds.get(wanted, 'a name')}, got {value!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
