"""What a network expects of its input, in words that need no network library."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Normalisation:
    """What the backbone expects its input to be shifted and scaled by, in units of [0, 1] RGB.

    Raises:
        ValueError: other than three finite numbers each, or a scale that is not above 0.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3 or not all(map(math.isfinite, values)):
                raise ValueError(f"{name}={[*values]}: must be three numbers, of R, G and B")
        if min(self.std) <= 0:
            raise ValueError(f"std={[*self.std]}: must be above 0")
