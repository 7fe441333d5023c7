"""What a zygote is asked for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

MIB = 2**20


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command to run as a process of its own."""

    target: str
    """Module, as behind `python -m`, or a file of Python."""
    arguments: tuple[str, ...]
    folder: str
    """Where it works."""
    stdout: str
    """File for what it prints; "closed" for none at all, "broken" for a pipe that nobody reads."""
    stderr: str
    limits: dict[str, int] = field(default_factory=dict)
    """Resource limits by name; AS counts from what the process has already."""
    environment: dict[str, str] = field(default_factory=dict)
    drawn: bool = False
    """Whether pictures are drawn, or written as digests of what is in them."""
    clock: float = 0.0
    """Seconds by which `time.time` is turned."""

    def line(self) -> str:
        """As the zygote reads it."""
        return json.dumps(asdict(self))
