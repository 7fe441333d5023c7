"""The table of all looks, in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

REPORT: Final = "report this with what FACEFOLD_TRACE=1 shows"
_CPU: Final = 'update the driver; until then use the CPU (make doctor ARGS="--device cpu")'


@dataclass(frozen=True, kw_only=True)
class Check:
    """One look."""

    name: str
    """At the beginning of its line."""
    function: str
    """As module:name; gives a `Finding`."""
    seconds: float
    """It may take."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    cure: str = REPORT
    """Where it gives no answer at all."""


def checks_of_machine(folders: Sequence[Path]) -> list[Check]:
    """What needs neither torch nor DALI."""
    return [
        Check(name="Python", function="doctor.machine:python", seconds=10),
        Check(name="packages", function="doctor.machine:packages", seconds=15, cure="make setup"),
        Check(name="cores", function="doctor.machine:cores", seconds=10),
        Check(name="memory", function="doctor.machine:memory", seconds=10),
        Check(name="locale", function="doctor.machine:names", seconds=10),
        Check(name="shared", function="doctor.places:shared_memory", seconds=10),
        Check(
            name="folders",
            function="doctor.places:folders",
            seconds=15,
            arguments={"paths": tuple(folders)},
            cure="keep caches and runs on a local disk",
        ),
    ]


GPU: Final = Check(name="GPU", function="doctor.card:gpu", seconds=45, cure=_CPU)
"""Whether there is one that works."""
CAPABILITY: Final = Check(name="capability", function="doctor.card:capability", seconds=20, cure=_CPU)
"""Whether torch has programs for it; the pixels of neither are tried where it has not."""


def checks_of_device(device: Literal["cpu", "cuda"]) -> list[Check]:
    """Decoding, places in batches, and a training step in each precision."""
    on, dali = ("GPU", "gpu") if device == "cuda" else ("CPU", "cpu")
    cure = _CPU if device == "cuda" else REPORT
    precisions = ("fp32", "bf16", "fp16") if device == "cuda" else ("fp32", "bf16")
    pixels = [
        Check(
            name=f"{name} {on}",
            function=f"doctor.pixels:{name}",
            seconds=45,
            arguments={"device": dali},
            cure=cure,
        )
        for name in ("decode", "place")
    ]
    steps = [
        Check(
            name=f"{precision} {on}",
            function="doctor.training:step",
            seconds=60,
            arguments={"device": device, "precision": precision},
            cure=cure,
        )
        for precision in precisions
    ]
    return [*pixels, *steps]


CHECKS_OF_BOTH: Final = (
    Check(name="parity", function="doctor.pixels:parity", seconds=60, cure=_CPU),
    Check(name="memory GPU", function="doctor.card:memory", seconds=20, cure=_CPU),
)
"""Where there is a GPU, after both devices."""
