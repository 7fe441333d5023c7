"""An ensemble: which runs vote, how, and on which views of a photo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """One voting rule."""

    about: str = ""
    """One line on what it is and when to use it."""
    members: tuple[str, ...]
    """Recipes by name; every trained fold of each votes."""
    vote: Literal["soft", "hard"] = "soft"
    """soft takes the mean probability; hard the majority, ties by the larger summed probability."""
    views: tuple[Literal["original", "flip"], ...] = ("original", "flip")
    """Test-time augmentation: the views whose probabilities a run averages."""

    def __post_init__(self) -> None:
        for name, values in (("members", self.members), ("views", self.views)):
            if not values or len(set(values)) < len(values):
                raise ValueError(f"{name}={list(values)}: name at least one, each once")
