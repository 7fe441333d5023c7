"""What a look at the machine finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line on one thing."""

    words: str
    """What was found."""
    cure: str = ""
    """What to do about it; empty where all is well."""
    gpu: bool = False
    """Whether it is a GPU that works, so that more can be looked at there."""

    @property
    def good(self) -> bool:
        """Whether all is well."""
        return not self.cure
